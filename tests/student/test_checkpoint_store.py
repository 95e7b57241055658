"""What a training keeps on disk: the newest checkpoint, and the weights of the best one."""

from pathlib import Path

import pytest

from config.errors import DataError
from config.load import load_config
from data.run_paths import RunPaths
from student.checkpoint import AVERAGED, TRAINED
from student.checkpoint_store import COMPLETE, CheckpointStore, step_of
from student.records import Step
from student.train import train
from tests.student.run_factory import ROOT, experiment, small_vocabulary_model

FILES = (TRAINED, "optimizer.pt", "rng_state.pth", COMPLETE)


def checkpoint(folder: Path, step: int) -> None:
    """A complete checkpoint as a training leaves it."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in set(FILES) - {COMPLETE}:
        (path / name).write_text(f"{name} of {step}")
    CheckpointStore(folder).mark_complete(step)


def files(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def whole(step: int) -> set[str]:
    """The files of a whole checkpoint."""
    return {f"checkpoint-{step}/{name}" for name in FILES}


def test_an_older_best_leaves_its_weights_alone(tmp_path: Path) -> None:
    """Through four epochs: the second is the best of the first three, then the fourth is."""
    store = CheckpointStore(tmp_path)
    left = []
    for newest, best in ((1, 1), (2, 2), (3, 2), (4, 4)):
        checkpoint(tmp_path, newest)
        store.prune(newest, best)
        left.append(files(tmp_path))
        assert store.served_weights(best).read_text() == f"{TRAINED} of {best}"
        assert store.last_complete() == tmp_path / f"checkpoint-{newest}"
    assert left == [whole(1), whole(2), {*whole(3), f"weights-2/{TRAINED}"}, whole(4)]


def test_an_older_best_leaves_its_average_alone(tmp_path: Path) -> None:
    """Where a training averages, that is what is served; the weights beside it serve a resume."""
    store = CheckpointStore(tmp_path)
    for newest in (1, 2):
        checkpoint(tmp_path, newest)
        (tmp_path / f"checkpoint-{newest}" / AVERAGED).write_text(f"{AVERAGED} of {newest}")
        store.prune(newest, best=1)
        assert store.served_weights(1).read_text() == f"{AVERAGED} of 1"
    assert files(tmp_path) == {*whole(2), f"checkpoint-2/{AVERAGED}", f"weights-1/{AVERAGED}"}


def test_a_kill_amid_the_removal_is_made_good(tmp_path: Path) -> None:
    """It is renamed and not yet emptied: nothing resumes from it, and the next time it goes."""
    for step in (1, 2, 3):
        checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-2" / "optimizer.pt").unlink()
    (tmp_path / "checkpoint-2").rename(tmp_path / "weights-2")
    store = CheckpointStore(tmp_path)
    assert store.last_complete() == tmp_path / "checkpoint-3"
    store.prune(3, 2)
    assert files(tmp_path) == {*whole(3), f"weights-2/{TRAINED}"}


@pytest.mark.parametrize("name", [name for name in FILES if name != COMPLETE])
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    """Torch would load a flipped bit of an optimiser's state, and train on with it."""
    checkpoint(tmp_path, 20)
    path = tmp_path / "checkpoint-20" / name
    whole_bytes = path.read_bytes()
    path.write_bytes(whole_bytes[:-1] + (b"" if damage == "cut" else bytes([whole_bytes[-1] ^ 1])))
    if damage == "missing":
        path.unlink()
    with pytest.raises(DataError, match=rf"{name}: is damaged or missing.* from step 20"):
        CheckpointStore(tmp_path).last_complete()
    path.write_bytes(whole_bytes)
    assert CheckpointStore(tmp_path).last_complete() == tmp_path / "checkpoint-20"


def test_an_empty_marker_of_an_earlier_version_is_taken(tmp_path: Path) -> None:
    """It knows no hashes."""
    checkpoint(tmp_path, 20)
    (tmp_path / "checkpoint-20" / COMPLETE).write_text("")
    assert CheckpointStore(tmp_path).last_complete() == tmp_path / "checkpoint-20"


# learning rate → which folders hold weights at the evaluation of each epoch of six steps. At a rate
# of 3 every loss is NaN, so the first epoch stays the best; at 0.01 each is better than all before.
FOLDERS = {
    1e-2: [[], ["checkpoint-6"], ["checkpoint-12"], ["checkpoint-18"]],
    3.0: [[], ["checkpoint-6"], ["checkpoint-12", "weights-6"], ["checkpoint-18", "weights-6"]],
}


@pytest.mark.parametrize("rate", FOLDERS)
def test_a_training_holds_one_optimiser_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    """Beside the best epoch's weights, which the result has, to the bit."""
    monkeypatch.chdir(ROOT)
    changes = [f"students.0.learning_rate={rate}", "model.dtype=float32"]
    config = load_config(
        experiment(tmp_path / "run", small_vocabulary_model(tmp_path / "model")), changes
    )
    run = RunPaths.of(config).student("s")
    folders: list[list[str]] = []
    states: list[int] = []
    weights: dict[int, bytes] = {}  # step → its trained parameters

    def look(step: Step) -> None:
        checkpoints = [path.parent for path in (run / "checkpoints").glob(f"*/{TRAINED}")]
        weights.update((step_of(path), (path / TRAINED).read_bytes()) for path in checkpoints)
        if step.val_rows is not None:
            folders.append(sorted(path.name for path in checkpoints))
            states.append(len(list((run / "checkpoints").glob("*/optimizer.pt"))))

    result = train(config, config.students[0], accept_changes=False, listeners=[look])
    assert folders == FOLDERS[rate] and states == [0, 1, 1, 1]
    assert result.best_step == (6 if rate == 3.0 else 24)
    if result.best_step in weights:  # the last step's were never seen
        assert (run / TRAINED).read_bytes() == weights[result.best_step]
