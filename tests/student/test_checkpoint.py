"""Thirty kills while a checkpoint is being saved, and ten full disks, change nothing of a training.

Each training is a process of its own.
"""

import os
import random
import resource
import signal
import sys
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from config.errors import DataError
from config.load import load_config
from config.schema import Config
from data.run_paths import RunPaths
from student.checkpoint_store import CheckpointStore, step_of
from student.train import train
from tests.student.forked_command import start_forked
from tests.student.run_factory import (
    ROOT,
    experiment,
    losses,
    small_vocabulary_model,
    trained,
)

KILLS = 30
# 32 epochs of one step with a checkpoint each: one for every kill and two more
CHANGES = ("students.0.epochs=32", "students.0.batch_size=24")
SIZES = (100, 500, 2000, 5000, 8000, 12_000, 14_000, 16_000, 24_000, 32_000)  # bytes
FULL = 2  # how a training that found the disk full ends


class Uninterrupted(NamedTuple):
    """Steps and losses, and the adapter's weights by name."""

    losses: list[tuple[int, float]]
    weights: dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base."""
    return small_vocabulary_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def whole(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    """What an uninterrupted training comes to."""
    config = load_config(experiment(tmp_path_factory.mktemp("whole"), model), CHANGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        weights = trained(config)
    return Uninterrupted(losses(config), weights)


def _train(config: Config, said: Path, size: int | None = None) -> None:
    """The child: trains, with what it prints in `said`; `size`: of its largest file."""
    os.chdir(ROOT)
    with ExitStack() as stack:
        nowhere = stack.enter_context(Path(os.devnull).open("w"))
        out = nowhere if size else stack.enter_context(said.open("a", buffering=1))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(nowhere))
        if size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            train(config, config.students[0], accept_changes=False)
        except DataError as error:
            full = "cannot write" in str(error) and str(RunPaths.of(config).root) in str(error)
            sys.exit(FULL if full else 1)


def _removed(said: Path) -> int:
    """How many torn checkpoints the trainings have told of."""
    text = said.read_text("utf-8") if said.exists() else ""
    return text.count("the run ended while saving it; removed")


def _unfinished_checkpoint(folder: Path, process: BaseProcess, said: Path, torn: int) -> Path:
    """The checkpoint that has just begun, once the torn ones of before are gone."""
    while True:
        begun = [one for one in folder.glob("checkpoint-*") if not (one / "COMPLETE").exists()]
        if begun and _removed(said) == torn:
            return begun[0]
        assert process.is_alive(), "it ended before it was killed"
        time.sleep(0.0005)


def complete_checkpoints(folder: Path) -> list[Path]:
    """Those that can be resumed from."""
    return [marker.parent for marker in folder.glob("checkpoint-*/COMPLETE")]


@pytest.mark.reliability(line=4)
@pytest.mark.slow
def test_kills_while_a_checkpoint_is_saved(
    tmp_path: Path, model: Path, whole: Uninterrupted
) -> None:
    """30 at a random moment of the saving: what is resumed from is the last complete checkpoint,
    torn ones are said to be removed, and the losses and weights are those of no kill, to the bit.
    """
    killed = load_config(experiment(tmp_path / "killed", model), CHANGES)
    said, random_ = tmp_path / "said", random.Random(0)
    checkpoints = RunPaths.of(killed).student("s") / "checkpoints"
    torn, complete = 0, 0
    for _ in range(KILLS):
        process = start_forked(_train, killed, said)
        begun = _unfinished_checkpoint(checkpoints, process, said, torn)
        time.sleep(0.03 * random_.random() ** 4)  # saving takes 3 ms, or ten times as long
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        torn += begun.exists() and not (begun / "COMPLETE").exists()
        newest = max(map(step_of, complete_checkpoints(checkpoints)), default=0)
        assert newest >= complete, "the newest complete checkpoint is never lost"
        complete = newest
    assert torn >= KILLS / 4, "the kills were to come while it was being saved"

    resumed = trained(killed)
    assert losses(killed) == whole.losses
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.weights.items())


@pytest.mark.reliability(line=5)
@pytest.mark.slow
def test_a_disk_that_fills_up_while_training(
    tmp_path: Path, model: Path, whole: Uninterrupted
) -> None:
    """Ten sizes, from the metrics' first line to the optimiser's state: one line says what could
    not be written, complete checkpoints stay, and with room again it ends as if nothing was."""
    full = load_config(experiment(tmp_path / "full", model), CHANGES)
    checkpoints = RunPaths.of(full).student("s") / "checkpoints"
    for size in SIZES:
        if size == SIZES[5]:  # from here on there is a checkpoint to go on from
            process = start_forked(_train, full, tmp_path / "said")
            while not list(checkpoints.glob("*/COMPLETE")):
                assert process.is_alive()
                time.sleep(0.001)
            process.kill()
            process.join()
        before = CheckpointStore(checkpoints).last_complete()
        process = start_forked(_train, full, tmp_path / "said", size)
        process.join()
        assert process.exitcode == FULL, size
        assert CheckpointStore(checkpoints).last_complete() == before and (before is None) == (
            size < SIZES[5]
        )
    resumed = trained(full)
    assert losses(full) == whole.losses
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.weights.items())
