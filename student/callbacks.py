"""Observers of a training: metrics.jsonl, complete checkpoints, the progress bar."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import ProgressCallback, TrainerCallback

from config.progress import ProgressBar
from data.appender import Appender
from data.jsonl import read_appended, write_records
from student.checkpoint_store import CheckpointStore
from student.distributed import barrier, process_rank
from student.records import Step, best_first
from student.trackers import StepListener

_MEASURED = Step.model_fields.keys() - {"step", "epoch", "seconds"}  # also names in the logs


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
