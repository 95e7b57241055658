"""A killed training goes on from its last complete checkpoint, and ends where it would have."""

import time
from pathlib import Path

import pytest
import torch

from config.load import load_config
from config.schema import Config
from data.jsonl import read_records
from data.run_paths import RunPaths
from student.checkpoint_store import CheckpointStore
from student.records import Step
from student.train import train
from tests.student.forked_command import start_command
from tests.student.run_factory import ROOT, experiment, losses, small_vocabulary_model, trained


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.slow
def test_a_kill_changes_nothing(tmp_path: Path) -> None:
    """SIGKILL after the first checkpoint, in the middle of an epoch: same losses and weights, to
    the bit, with dropout, and with the average of the weights."""
    model = small_vocabulary_model(tmp_path / "model")
    # 24 steps an epoch, so there is a checkpoint every 12
    changes = ["students.0.batch_size=1", "students.0.epochs=2", "students.0.averaging=0.1"]
    whole = load_config(experiment(tmp_path / "whole", model), changes)
    path = experiment(tmp_path / "killed", model)
    killed = load_config(path, changes)
    process = start_command([str(path), "train", *changes], tmp_path / "output")
    folder = RunPaths.of(killed).student("s")
    while not list(folder.glob("checkpoints/*/COMPLETE")):
        assert process.is_alive(), (tmp_path / "output").read_text("utf-8")
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (folder / "result.json").exists(), "it ended before it was killed"

    expected = trained(whole)
    resumed = trained(killed)
    assert losses(killed) == losses(whole)
    assert len(losses(whole)) == 48
    assert evaluated(killed) == evaluated(whole) == [12, 24, 36, 48]
    assert resumed.keys() == expected.keys()
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)


class Stopped(Exception):
    """Raised by a listener of a training."""


def test_a_training_goes_on_with_other_passes(tmp_path: Path) -> None:
    """Stopped behind the checkpoint of the first epoch, it resumes with smaller passes and half of
    the layers computed again: no setting that counts has changed, and to 1e-5 (sums in another
    order, float32) the weights are those of a whole training."""
    model = small_vocabulary_model(tmp_path / "model")
    changes = ["students.0.method.dropout=0", "students.0.batch_size=12", "students.0.epochs=2"]
    changes += ["model.dtype=float32", "students.0.learning_rate=1e-3"]
    whole = trained(load_config(experiment(tmp_path / "whole", model), changes))
    path = experiment(tmp_path / "stopped", model)
    first = load_config(path, changes)

    def stop(step: Step) -> None:
        if step.step == 3:
            raise Stopped

    with pytest.raises(Stopped):
        train(first, first.students[0], accept_changes=False, listeners=[stop])
    others = ["students.0.tokens_per_pass=64", "students.0.checkpointing=selective"]
    resumed = trained(load_config(path, [*changes, *others]))
    assert resumed.keys() == whole.keys()
    assert all(torch.allclose(resumed[n], whole[n], atol=1e-5) for n in whole)
    assert [step for step, _ in losses(first)] == [1, 2, 3, 4]


def evaluated(config: Config) -> list[int]:
    """The steps after which there was an evaluation."""
    steps = read_records(RunPaths.of(config).student("s") / "metrics.jsonl", Step)
    return [step.step for step in steps if step.val_rows is not None]


def test_a_torn_checkpoint_is_never_resumed_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest complete one counts; the torn one is removed, and said so."""
    for step, complete in ((10, True), (20, True), (30, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if complete:
            (folder / "COMPLETE").touch()
    assert CheckpointStore(tmp_path).last_complete() == tmp_path / "checkpoint-20"
    assert "checkpoint-30" in capsys.readouterr().out
    assert not (tmp_path / "checkpoint-30").exists()
    assert CheckpointStore(tmp_path / "none").last_complete() is None
