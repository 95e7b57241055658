"""What is kept of a training while it runs: the lines of metrics.jsonl, and whole checkpoints.

A checkpoint counts once its marker is there, which is written when all its files are on the disk.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from data.store import Appender, read_records, write_records, write_text
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
