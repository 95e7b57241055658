"""What the judge reads of the choice: the students, their order, and rows no trial has seen."""

import json
from pathlib import Path

import pytest

from config.load import load_config
from data.atomic_write import write_text
from data.run_paths import RunPaths
from judge.chosen_student import read_chosen_student
from judge.metrics.correct_choice import ChosenStudent
from tests.judge.run_folder import make_run


def chosen(run: RunPaths, search: dict[str, object] | None = None) -> ChosenStudent | None:
    """The choice of `a` from three students; `search` is the content of search.json."""
    losses = {"a": 0.5, "b": None, "c": 0.25}
    ranked = [{"name": name, "val_loss": loss, "strict": 0.5} for name, loss in losses.items()]
    write_text(run.choice, json.dumps({"best": "a", "why": "", "ranked": ranked}))
    if search is not None:
        write_text(run.search, json.dumps(search))
    return read_chosen_student(load_config(run.config, []))


def write_training(run: RunPaths, name: str, *lines: object, best_step: int) -> None:
    """The files of a training with these lines in metrics.jsonl."""
    folder = run.student(name)
    folder.mkdir(parents=True)
    write_text(folder / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    write_text(folder / "result.json", json.dumps({"name": name, "best_step": best_step}))


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return make_run(tmp_path)


def test_students_in_the_order_of_val_loss(run: RunPaths) -> None:
    """Equal scores go to the lowest val loss; one without a loss comes last."""
    student = chosen(run)
    assert student is not None
    assert student.arm == "student/a"
    assert student.tried == ("student/c", "student/a", "student/b")
    assert set(student.evaluations.values()) == {(None,)}, "no training is on record"
    run.choice.unlink()
    assert read_chosen_student(load_config(run.config, [])) is None


def test_evaluations_in_the_order_of_val_loss(run: RunPaths) -> None:
    """Steps 2, 4 and 6 were evaluated and 4 was chosen; the loss fell and rose. An old file does
    not say which rows passed."""
    passed = [{"r0": True}, {"r0": False}, {"r1": True}]
    evaluations = [
        {"step": 2 * n + 2, "val_loss": loss, "val_rows": 1, "passed": passed[n]}
        for n, loss in enumerate((0.9, 0.5, 0.7))
    ]
    step = {"step": 1, "loss": 3.0}
    write_training(run, "a", step, *evaluations, best_step=4)
    old = [line | {"passed": None} for line in evaluations]
    write_training(run, "b", step, evaluations[0], *old[1:], best_step=4)
    student = chosen(run)
    assert student is not None
    assert student.evaluations == {
        "student/a": (None, {"r1": True}, {"r0": True}),
        "student/b": (None,),
        "student/c": (None,),
    }


def test_the_winner_of_a_search(run: RunPaths) -> None:
    """Two rows were held out; of three trials two were evaluated."""
    trials = [{"name": "a", "strict": 0.5}, {"name": "x", "strict": 0.25}, {"name": "y"}]
    winner = chosen(run, {"best": "a", "trials": trials, "held_out": ["r3", "r1"]})
    assert winner is not None
    assert (winner.trials, winner.unseen) == (2, frozenset({"r1", "r3"}))
    none = chosen(run, {"best": "a", "trials": trials})
    assert none is not None and (none.trials, none.unseen) == (2, None)
    other = chosen(run, {"best": "x", "trials": trials, "held_out": ["r3"]})
    assert other is not None and (other.trials, other.unseen) == (0, None)
