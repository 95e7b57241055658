"""The checkpoints of a training on disk: the newest to resume from, and the weights of the best.

A checkpoint is complete once its marker file exists; the marker is written after all other files
are synced to disk. Its optimiser state is twice as large as its weights and serves a resume alone,
so older checkpoints lose it, and those that another one beats are removed.
"""

import os
import shutil
from pathlib import Path

from config.console import print
from data.atomic_write import write_text
from student.checkpoint import AVERAGED, TRAINED, writing
from student.distributed import process_rank

COMPLETE = "COMPLETE"  # marker file in a complete checkpoint's folder


class CheckpointStore:
    """The folder with all checkpoints of one training."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last_complete(self) -> Path | None:
        """The newest complete checkpoint. Removes incomplete ones and prints their names."""
        complete = []
        for folder in self._folder.glob("checkpoint-*"):
            if (folder / COMPLETE).exists():
                complete.append(folder)
            elif process_rank() == 0:
                shutil.rmtree(folder)
                print(f"{folder.name}: incomplete, because the run ended while saving it; removed")
        return max(complete, key=step_of, default=None)

    def mark_complete(self, step: int) -> None:
        """Syncs the files of a checkpoint to disk, and marks it."""
        folder = self._checkpoint(step)
        with writing(folder, 0):
            for path in folder.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        write_text(folder / COMPLETE, "")

    def prune(self, newest: int, best: int) -> None:
        """Leaves the newest checkpoint and the weights to serve of the best step."""
        for folder in [*self._folder.glob("checkpoint-*"), *self._folder.glob("weights-*")]:
            step = step_of(folder)
            if folder == self._checkpoint(newest):
                continue
            if folder != self._weights(step):
                shutil.rmtree(self._weights(step), ignore_errors=True)
                folder.rename(self._weights(step))  # at once: nothing resumes from what is left
            if step != best:
                shutil.rmtree(self._weights(step))
                continue
            served = _served_weights(self._weights(step))
            for path in self._weights(step).iterdir():
                if path != served:
                    path.unlink()

    def served_weights(self, step: int) -> Path:
        """The file with the weights of a step to serve: averaged where the training averages."""
        weights = self._weights(step)
        return _served_weights(weights if weights.exists() else self._checkpoint(step))

    def _checkpoint(self, step: int) -> Path:
        return self._folder / f"checkpoint-{step}"  # named by transformers

    def _weights(self, step: int) -> Path:
        return self._folder / f"weights-{step}"


def _served_weights(folder: Path) -> Path:
    averaged = folder / AVERAGED
    return averaged if averaged.exists() else folder / TRAINED


def step_of(folder: Path) -> int:
    """The optimiser step of a checkpoint."""
    return int(folder.name.rpartition("-")[2])
