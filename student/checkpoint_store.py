"""The checkpoints of a training on disk: the newest to resume from, and the weights of the best.

A checkpoint is complete once its marker file exists; the marker is written after all other files
are synced to disk, and holds their hashes. Its optimiser state is twice as large as its weights and
serves a resume alone, so older checkpoints lose it, and those that another one beats are removed.
"""

import json
import os
import shutil
from pathlib import Path

from config.console import print
from config.errors import DataError
from data.atomic_write import write_text
from engine.models import file_sha256
from student.checkpoint import AVERAGED, TRAINED, writing
from student.distributed import process_rank

COMPLETE = "COMPLETE"  # marker file in a complete checkpoint's folder


class CheckpointStore:
    """The folder with all checkpoints of one training."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last_complete(self) -> Path | None:
        """The newest complete checkpoint. Removes incomplete ones and prints their names.

        Raises DataError where a file of it is not the one that was saved.
        """
        complete = []
        for folder in self._folder.glob("checkpoint-*"):
            if (folder / COMPLETE).exists():
                complete.append(folder)
            elif process_rank() == 0:
                shutil.rmtree(folder)
                print(f"{folder.name}: incomplete, because the run ended while saving it; removed")
        newest = max(complete, key=step_of, default=None)
        if newest is not None:
            _check_files(newest)
        return newest

    def mark_complete(self, step: int) -> None:
        """Syncs the files of a checkpoint to disk, and marks it with their hashes."""
        folder, hashes = self._checkpoint(step), {}
        with writing(folder, 0):
            for path in folder.iterdir():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                hashes[path.name] = file_sha256(path)
        write_text(folder / COMPLETE, json.dumps(hashes, indent=1, sort_keys=True) + "\n")

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


def _check_files(checkpoint: Path) -> None:
    """Raises DataError for a file whose hash is not the marker's. Earlier markers are empty."""
    marker = (checkpoint / COMPLETE).read_text()
    for name, sha256 in (json.loads(marker) if marker else {}).items():
        path = checkpoint / name
        if not path.exists() or file_sha256(path) != sha256:
            raise DataError(
                f"{path}: is damaged or missing, so the training cannot go on from step "
                f"{step_of(checkpoint)}; restore it, or remove {checkpoint.parent} to train anew"
            )


def _served_weights(folder: Path) -> Path:
    averaged = folder / AVERAGED
    return averaged if averaged.exists() else folder / TRAINED


def step_of(folder: Path) -> int:
    """The optimiser step of a checkpoint."""
    return int(folder.name.rpartition("-")[2])
