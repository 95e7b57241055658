"""What is kept of a training while it runs: the lines of metrics.jsonl, and whole checkpoints.

A checkpoint counts once its marker is there, which is written when all its files are on the disk.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from transformers import (
    ProgressCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from config.errors import SetupError
from config.progress import ProgressBar
from config.schema import Config
from config.training import StudentSettings, TrackerSettings, WandbSettings
from data.appender import Appender
from data.atomic_write import write_text
from data.jsonl import read_records, write_records
from data.run_paths import RunPaths
from student.checkpoint import writing
from student.distributed import rank, wait
from student.records import Step

COMPLETE = "COMPLETE"  # in a checkpoint's folder once every file of it is on the disk

Follower = Callable[[Step], None]  # sees every line of metrics.jsonl, those before a resume too


class Metrics(TrainerCallback):  # type: ignore[misc]
    """Writes metrics.jsonl, and marks checkpoints that are complete."""

    def __init__(self, path: Path, resumed_at: int, followers: Sequence[Follower] = ()) -> None:
        """Drops what a killed run logged after the checkpoint at step `resumed_at`."""
        self._path = path
        found = list(read_records(path, Step)) if path.exists() else []
        self.steps = [step for step in found if step.step <= resumed_at]
        self._before = self.steps[-1].seconds if self.steps else 0.0
        self._start = time.monotonic()
        wait()  # all have read it
        if rank() == 0:
            write_records(path, self.steps)
        self._file = Appender(path) if rank() == 0 else None
        self._followers = followers
        for step in self.steps:
            self._follow(step)

    def _follow(self, step: Step) -> None:
        for follower in self._followers:
            follower(step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """One line per log of the trainer."""
        if logs is None or "train_runtime" in logs or rank() > 0:
            return
        rules = {
            key.removeprefix("eval_rule/"): value
            for key, value in logs.items()
            if key.startswith("eval_rule/")
        }
        step = Step(
            step=state.global_step,
            epoch=round(float(state.epoch or 0), 4),
            seconds=round(self._before + time.monotonic() - self._start, 1),
            loss=logs.get("loss"),
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            tokens_per_s=logs.get("tokens_per_s"),
            answer_tokens_per_s=logs.get("answer_tokens_per_s"),
            val_loss=logs.get("eval_loss"),
            strict=logs.get("eval_strict"),
            rules=rules or None,
            val_rows=logs.get("eval_rows"),
            samples=logs.get("eval_samples"),
        )
        self.steps.append(step)
        assert self._file is not None  # only the first process logs
        self._file.write(step.model_dump_json().encode() + b"\n")
        self._follow(step)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """All lines are on the disk."""
        if self._file is not None:
            self._file.close()

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **rest: Any,
    ) -> None:
        """The marker comes last, so a checkpoint without one is a torn one."""
        wait()  # every process saves its random state
        if rank() > 0:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        with writing(folder, 0):
            for path in folder.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        write_text(folder / COMPLETE, "")


@contextmanager
def trackers(config: Config, student: StudentSettings) -> Iterator[list[Follower]]:
    """The settings' trackers, each with a run of this student; of several processes the first's.

    Raises SetupError where trackio is asked for and not installed.
    """
    with ExitStack() as stack:
        followers = []
        if config.wandb is not None and rank() == 0:
            followers.append(stack.enter_context(_wandb(config, config.wandb, student)))
        if config.trackio is not None and rank() == 0:
            followers.append(stack.enter_context(_trackio(config, config.trackio, student)))
        yield followers


@contextmanager
def _wandb(config: Config, wanted: WandbSettings, student: StudentSettings) -> Iterator[Follower]:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
    import wandb

    with wandb.init(
        project=wanted.project,
        name=_name(config, student),
        mode=wanted.mode,
        dir=str(RunPaths.of(config).root),
        config=_settings(config, student),
        reinit="create_new",
        settings=wandb.Settings(silent=True),
    ) as run:
        yield lambda step: run.log(_values(step, wanted, wandb.Table), step=step.step)


@contextmanager
def _trackio(
    config: Config, wanted: TrackerSettings, student: StudentSettings
) -> Iterator[Follower]:
    try:
        import trackio
    except ImportError:
        raise SetupError(
            "trackio: run `pip install '.[trackio]'` first, or trackio: null"
        ) from None
    run = trackio.init(
        project=wanted.project,
        name=_name(config, student),
        config=_settings(config, student),
        embed=False,
        auto_log_gpu=False,  # its rows have no step
        auto_log_cpu=False,
    )
    try:
        yield lambda step: run.log(_values(step, wanted, trackio.Table), step=step.step)
    finally:
        run.finish()


def _name(config: Config, student: StudentSettings) -> str:
    return f"{config.name}/{student.name}"


def _settings(config: Config, student: StudentSettings) -> dict[str, Any]:
    return {**student.model_dump(mode="json"), "model": config.model.name}


def _values(step: Step, wanted: TrackerSettings, table: Any) -> dict[str, Any]:
    """A line as a tracker takes it: what it holds, one name for each number."""
    plain = step.model_dump(exclude={"step", "rules", "samples"}, exclude_none=True)
    plain |= {f"rule/{rule}": rate for rule, rate in (step.rules or {}).items()}
    if wanted.samples and step.samples:
        rows = [list(sample.model_dump().values()) for sample in step.samples]
        plain["samples"] = table(columns=["row", "question", "answer"], data=rows)
    return plain


class Bar(ProgressCallback):  # type: ignore[misc]
    """One bar per training, with its name, the time left and the loss; a line for each look."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Starts the bar; a resumed training starts it where it stopped."""
        self.current_step = state.global_step
        if state.is_world_process_zero:
            self.training_bar = ProgressBar(
                str(args.run_name), " steps", state.max_steps, initial=state.global_step
            )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """The numbers that change the reader's mind; all of them are in metrics.jsonl."""
        if logs is None or self.training_bar is None:
            return
        if "loss" in logs:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        elif "eval_rows" in logs:
            loss, strict = logs.get("eval_loss"), logs.get("eval_strict")
            self.training_bar.write(
                f"epoch {state.epoch:g}: "
                f"val loss {'none' if loss is None else format(loss, '.3f')}, "
                f"strict {'none' if strict is None else format(strict, '.1%')} "
                f"of {logs['eval_rows']} rows"
            )
