"""Observers of a training: metrics.jsonl, complete checkpoints, trackers, the progress bar.

Trackers receive the lines of metrics.jsonl under the same names. A resumed
training opens a new tracker run and replays the file, so the newest run is always complete.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from transformers import ProgressCallback, TrainerCallback

from config.errors import SetupError
from config.progress import ProgressBar
from config.schema import Config
from config.training import StudentSettings, TrackerSettings, WandbSettings
from data.appender import Appender
from data.jsonl import read_appended, write_records
from data.run_paths import RunPaths
from student.checkpoint_store import CheckpointStore
from student.distributed import barrier, process_rank
from student.records import Step, best_first

_MEASURED = Step.model_fields.keys() - {"step", "epoch", "seconds"}  # also names in the logs

StepListener = Callable[[Step], None]  # receives every line of metrics.jsonl, replayed ones too


class MetricsCallback(TrainerCallback):  # type: ignore[misc]
    """Writes metrics.jsonl and marks complete checkpoints."""

    def __init__(self, path: Path, resumed_at: int, listeners: Sequence[StepListener] = ()) -> None:
        """Drops the lines that a killed run logged after the checkpoint at step `resumed_at`."""
        steps = read_appended(path, Step)
        self.steps = [step for step in steps if step.step <= resumed_at]
        self._seconds_before = self.steps[-1].seconds if self.steps else 0.0
        self._start = time.monotonic()
        barrier()  # every process has read the file
        if process_rank() == 0:
            write_records(path, self.steps)
        self._file = Appender(path) if process_rank() == 0 else None
        self._listeners = listeners
        for step in self.steps:
            self._notify(step)

    @property
    def best(self) -> Step:
        """The best evaluation so far. One that another beats can never be the best again."""
        return best_first(step for step in self.steps if step.val_rows is not None)[0]

    def _notify(self, step: Step) -> None:
        for listener in self._listeners:
            listener(step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Writes one line per log of the trainer."""
        if "train_runtime" in logs or process_rank() > 0:
            return
        step = Step(
            step=state.global_step,
            epoch=round(float(state.epoch or 0), 4),
            seconds=round(self._seconds_before + time.monotonic() - self._start, 1),
            **{name: logs[name] for name in _MEASURED & logs.keys() if logs[name] not in ({}, [])},
        )
        self.steps.append(step)
        assert self._file is not None  # only process 0 gets here
        self._file.write(step.model_dump_json().encode() + b"\n")
        self._notify(step)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Syncs the file to disk."""
        if self._file is not None:
            self._file.close()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Marks the checkpoint as complete, after every process saved its random state.

        Then removes what neither a resume nor the result needs. Its step is evaluated already.
        """
        barrier()
        if process_rank() > 0:
            return
        store = CheckpointStore(Path(args.output_dir))
        store.mark_complete(state.global_step)
        store.prune(state.global_step, self.best.step)


# -- trackers ------------------------------------------------------------------------------------


@contextmanager
def open_trackers(config: Config, student: StudentSettings) -> Iterator[list[StepListener]]:
    """The configured trackers, each with a run of this student; only process 0 has any.

    transformers' own tracker callbacks would continue the previous student's run. Raises SetupError
    when trackio is configured and not installed.
    """
    with ExitStack() as stack:
        listeners = []
        if config.wandb is not None and process_rank() == 0:
            listeners.append(_wandb(stack, config, config.wandb, student))
        if config.trackio is not None and process_rank() == 0:
            listeners.append(_trackio(stack, config, config.trackio, student))
        yield listeners


def _wandb(
    stack: ExitStack, config: Config, tracker: WandbSettings, student: StudentSettings
) -> StepListener:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
    import wandb

    run = stack.enter_context(
        wandb.init(
            **_run_settings(config, tracker, student),
            mode=tracker.mode,
            dir=str(RunPaths.of(config).root),
            reinit="create_new",
            settings=wandb.Settings(silent=True),
        )
    )
    return lambda step: run.log(_values(step, tracker, wandb.Table), step=step.step)


def _trackio(
    stack: ExitStack, config: Config, tracker: TrackerSettings, student: StudentSettings
) -> StepListener:
    try:
        import trackio
    except ImportError:
        raise SetupError(
            "trackio: run `pip install '.[trackio]'` first, or set trackio: null"
        ) from None
    run = trackio.init(
        **_run_settings(config, tracker, student),
        embed=False,
        auto_log_gpu=False,  # its rows have no step
        auto_log_cpu=False,
    )
    stack.callback(run.finish)
    return lambda step: run.log(_values(step, tracker, trackio.Table), step=step.step)


def _run_settings(
    config: Config, tracker: TrackerSettings, student: StudentSettings
) -> dict[str, Any]:
    return {
        "project": tracker.project,
        "name": f"{config.name}/{student.name}",
        "config": {**student.model_dump(mode="json"), "model": config.model.name},
    }


def _values(step: Step, tracker: TrackerSettings, table: Any) -> dict[str, Any]:
    """The line as a flat dict, one name per number."""
    values = step.model_dump(exclude={"step", "rules", "passed", "samples"}, exclude_none=True)
    values |= {f"rule/{rule}": rate for rule, rate in (step.rules or {}).items()}
    if tracker.samples and step.samples:
        rows = [list(sample.model_dump().values()) for sample in step.samples]
        values["samples"] = table(columns=["row", "question", "answer"], data=rows)
    return values


# -- progress bar --------------------------------------------------------------------------------


class ProgressBarCallback(ProgressCallback):  # type: ignore[misc]
    """One bar per training with its name, the time left and the loss; a line per evaluation."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Starts the bar; a resumed training starts it where it stopped."""
        self.current_step = state.global_step
        if state.is_world_process_zero:
            self.training_bar = ProgressBar(
                str(args.run_name), " steps", state.max_steps, initial=state.global_step
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Shows the main numbers; metrics.jsonl holds all of them."""
        if self.training_bar is None:
            return
        if "loss" in logs:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        elif "val_rows" in logs:
            loss, strict, by_case = (
                logs.get(name) for name in ("val_loss", "strict", "strict_by_case")
            )
            self.training_bar.write(
                f"epoch {state.epoch:.3g}: "
                f"val loss {'none' if loss is None else format(loss, '.3f')}, "
                f"strict {'none' if strict is None else format(strict, '.1%')} "
                f"of {logs['val_rows']} rows"
                + ("" if by_case is None else f", by case {by_case:.1%}")
            )
