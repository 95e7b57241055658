"""The val rows that a search holds out: no trial looks at them, and they score the winner."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from config.load import load_config
from data.answers import Answer
from data.jsonl import read_record, read_records, write_records
from data.rows import Context, Row
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder
from judge.chosen_student import read_chosen_student
from judge.evaluation_rows import held_out_rows
from student.dataset import load_training_data
from student.records import SearchResult, Step, Trial
from student.search.corrected_rate import TrialRows
from student.search.results import leaderboard_lines, search_result
from student.search.search import run_search
from tests.judge.factories import make_row, make_rule, make_rules
from tests.student.run_factory import ROOT, experiment, small_vocabulary_model

VAL = 24


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def searching(folder: Path) -> Path:
    """A config that searches two learning rates, on a val of 24 questions."""
    path = experiment(folder, small_vocabulary_model(folder / "model"))
    values = yaml.safe_load(path.read_text("utf-8"))
    values["students"][0]["epochs"] = 1
    values["predict"]["eval_rows"] = VAL
    values["search"] = {"trials": 2, "learning_rate": {"low": 1e-4, "high": 1e-2}}
    path.write_text(yaml.safe_dump(values), "utf-8")
    run = RunPaths.of(load_config(path))
    rows = [
        Row(id=f"v{n}", question=f"word {n}", contexts=(Context(text="x"),), labels=())
        for n in range(VAL)
    ]
    write_records(run.split("val"), rows)
    answer = next(iter(read_records(run.selected, Answer)))
    write_records(run.selected_val, [answer.model_copy(update={"row": row.id}) for row in rows])
    return path


def test_neither_losses_nor_answers(tmp_path: Path) -> None:
    """Half of the val rows have an example and are evaluated; training examples are the same."""
    config = load_config(searching(tmp_path))
    builder = RequestBuilder(config)
    held_out = held_out_rows(builder.rules, RunPaths.of(config).rows("val"))
    data = load_training_data(config, config.students[0], builder, held_out)
    assert len(held_out) == len(data.val) == len(data.evaluated) == VAL // 2
    assert not held_out.intersection(row.id for row in data.evaluated)
    assert load_training_data(config, config.students[0], builder).sha256 == data.sha256


@pytest.mark.slow
def test_the_winner_is_scored_on_them(tmp_path: Path) -> None:
    """A random model obeys on none of the 12 rows; a second look reads the same number."""
    config = load_config(searching(tmp_path))
    run, result = RunPaths.of(config), run_search(config, False)
    assert len(result.held_out) == VAL // 2
    assert result.winner is not None and result.best is not None
    assert (result.winner.value, result.winner.rows) == (0.0, VAL // 2)
    assert "The best of 2 trials, on the 12 val rows that no trial" in str(result.winner_sentence)
    steps = [step for step in read_records(run.student(result.best) / "metrics.jsonl", Step)]
    evaluated = {row for step in steps for row in step.passed or ()}
    assert len(evaluated) == VAL // 2 and not evaluated.intersection(result.held_out)
    assert run_search(config, False) == result == read_record(run.search, SearchResult)
    run.choice.parent.mkdir(parents=True, exist_ok=True)
    run.choice.write_text(f'{{"best": "{result.best}"}}', "utf-8")
    chosen = read_chosen_student(config)
    assert chosen is not None and chosen.unseen == frozenset(result.held_out)


ROWS = [make_row(f"r{n}") for n in range(40)]
RULES = make_rules(make_rule({"type": "json"}, id="must"))


def trial(name: str, method: str, steps: Sequence[Step]) -> Trial:
    """A completed trial whose best evaluation is the last one."""
    return Trial(
        name=name,
        state="complete",
        model="m",
        settings={},
        method=method,
        objective="ce",
        strict=steps[-1].strict,
        val_rows=40,
        val_loss=0.5,
    )


def evaluation(step: int, passes: Sequence[bool]) -> Step:
    """An evaluation on all rows."""
    passed = {row.id: ok for row, ok in zip(ROWS, passes, strict=True)}
    strict = sum(passes) / len(passes)
    return Step(step=step, epoch=step, seconds=0, val_rows=40, strict=strict, passed=passed)


def test_the_leaderboard_is_corrected() -> None:
    """LoRA's best is that of three trials with 20 to 22 of 40 rows, no two on the same; full has
    one trial whose first evaluation was worse on every row, so nothing is taken off."""
    numbers = range(40)
    evaluations = {
        "a": [evaluation(1, [n % 2 == 0 for n in numbers])],
        "b": [evaluation(1, [n % 4 < 2 or n > 37 for n in numbers])],
        "c": [evaluation(1, [n < 21 for n in numbers])],
        "d": [evaluation(1, [False] * 40), evaluation(2, [n < 10 for n in numbers])],
    }
    trials = [
        trial(name, "full" if name == "d" else "lora", steps) for name, steps in evaluations.items()
    ]
    result = search_result(trials, TrialRows(RULES, ROWS, evaluations))
    lora, full = result.leaderboard
    assert result.best == lora.best == "b" and lora.strict == 22 / 40
    assert lora.corrected is not None and full.corrected is not None
    assert lora.corrected.optimism > 0.03 and full.corrected.optimism == 0.0
    assert lora.corrected.value == pytest.approx(22 / 40 - lora.corrected.optimism)
    assert (full.corrected.value, full.corrected.rows) == (0.25, 40)
    points = f"{100 * lora.corrected.optimism:.1f} points taken off for the choice"
    assert points in leaderboard_lines(result)[0]
    assert "No val row was held out" in str(result.winner_sentence)


def test_old_evaluations_cannot_be_corrected() -> None:
    """Their rows are not on record: the number stays as measured, and is not shown as corrected."""
    steps = [evaluation(1, [True] * 40).model_copy(update={"passed": None})]
    result = search_result([trial("a", "lora", steps)], TrialRows(RULES, ROWS, {"a": steps}))
    assert result.leaderboard[0].corrected is None
