"""What the judge reads of the choice: the students, their order, and rows no trial has seen."""

import json
from pathlib import Path

import pytest

from config.load import load_config
from data.atomic_write import write_text
from data.run_paths import RunPaths
from judge.chosen_student import read_chosen_student
from judge.metrics.optimism import ChosenStudent
from prompts.rules import RuleFile
from tests.judge.factories import make_row, make_rules
from tests.judge.run_folder import LINK, make_run

ROWS = [make_row(f"r{n}") for n in range(40)]
RULES: RuleFile = make_rules(LINK)


def chosen(
    run: RunPaths, eval_rows: int = 16, search: dict[str, object] | None = None
) -> ChosenStudent | None:
    """The choice of `a` from three students; `search` is the content of search.json."""
    losses = {"a": 0.5, "b": None, "c": 0.25}
    ranked = [{"name": name, "val_loss": loss, "strict": 0.5} for name, loss in losses.items()]
    write_text(run.choice, json.dumps({"best": "a", "why": "", "ranked": ranked}))
    if search is not None:
        write_text(run.search, json.dumps(search))
    config = load_config(run.config, [f"predict.eval_rows={eval_rows}"])
    return read_chosen_student(config, RULES, ROWS)


def ids(first: int) -> frozenset[str]:
    """The rows from this number on."""
    return frozenset(f"r{n}" for n in range(first, 40))


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return make_run(tmp_path)


def test_students_in_the_order_of_val_loss(run: RunPaths) -> None:
    """Equal scores go to the lowest val loss; one without a loss comes last."""
    assert chosen(run) == ChosenStudent("student/a", ("student/c", "student/a", "student/b"))
    run.choice.unlink()
    assert read_chosen_student(load_config(run.config, []), RULES, ROWS) is None


def test_the_winner_of_a_search(run: RunPaths) -> None:
    """16 of 40 rows were looked at; of three trials two were evaluated."""
    trials = [{"name": "a", "strict": 0.5}, {"name": "x", "strict": 0.25}, {"name": "y"}]
    winner = chosen(run, search={"best": "a", "trials": trials})
    assert winner is not None
    assert (winner.trials, winner.unseen) == (2, ids(16))
    other = chosen(run, search={"best": "x", "trials": trials})
    assert other is not None and (other.trials, other.unseen) == (0, None)


def test_too_few_unseen_rows(run: RunPaths) -> None:
    """Nine rows are left: the winner is scored on all, and its scores say that they were seen."""
    trials = [{"strict": 0.5}, {"strict": 0.25}]
    winner = chosen(run, 31, {"best": "a", "trials": trials})
    assert winner is not None and (winner.trials, winner.unseen) == (2, None)


def test_another_row_of_a_seen_question_is_no_new_one(run: RunPaths) -> None:
    """Rows 16 … 19 ask what rows 0 … 3 ask."""
    rows = [
        row.model_copy(update={"question": f"Question r{n % 16}?"}) if n < 20 else row
        for n, row in enumerate(ROWS)
    ]
    chosen(run, search={"best": "a", "trials": [{"strict": 0.5}]})
    config = load_config(run.config, ["predict.eval_rows=16"])
    winner = read_chosen_student(config, RULES, rows)
    assert winner is not None and winner.unseen == ids(20)
