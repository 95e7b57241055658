"""A rule file with must-rules of a language model, scored without one."""

import json
from pathlib import Path

import pytest

from config.load import load_config
from data.jsonl import read_record
from data.run_paths import RunPaths
from judge.__main__ import main
from judge.records import JudgeResult
from judge.summary.summarise import summarise
from tests.judge.factories import llm_check, make_row, make_rule
from tests.judge.llm.server import serving, verdict
from tests.judge.run_folder import LINK, answer_hidden, answer_val, make_run

ROWS = [make_row(f"r{n}") for n in range(40)]
POLITE = make_rule(llm_check(), id="polite")
NAME = "strict by the rules in code"
WHY = (
    "“strict” is not stated: no language model has judged polite. In its place stands “strict by "
    "the rules in code”, the score by which students are chosen."
)


def texts(passes: int, rows: int = 40) -> list[str]:
    """The first answers pass LINK."""
    return ["a link"] * passes + ["nothing"] * (rows - passes)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """Base 0, teacher 30 and student 32 of 40 pass LINK; nobody decides POLITE."""
    run = make_run(tmp_path, (LINK, POLITE))
    arms = {"base": texts(0), "teacher": texts(30), "student/a": texts(32)}
    answer_val(run, ROWS, arms)
    answer_hidden(run, ROWS[:20], {"base": texts(0, 20), "a": texts(15, 20)})
    return run


def test_strict_is_not_stated(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    """It was 0 % for every arm by construction: an answer could fail but never pass."""
    assert main([str(run.config), "score"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f"student/a: {NAME} 80.0% [65.2%, 89.5%] on 40 rows, 0 missing" in printed
    assert WHY in printed
    scores = read_record(run.scores, JudgeResult).scores
    assert (scores.headline, scores.not_judged) == (NAME, ("polite",))
    student = scores.arms["student/a"]
    assert (student.strict.rate, student.strict.n, student.strict.missing) == (None, 0, 40)
    assert (student.strict.low_bound, student.strict.high_bound) == (0.0, 0.8)
    assert student.by_code is not None and student.by_code.rate == 0.8
    assert scores.gaps[0].value == pytest.approx(32 / 30)


def test_gates_use_the_same_score(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    """Both thresholds lie below the whole interval."""
    main([str(run.config), "score"])
    thresholds = [f"judge.gate.{gate}" for gate in ("strict_min=0.65", "gap_closed_min=0.7")]
    assert main([str(run.config), "gate", *thresholds]) == 0
    assert f"pass: strict_min: {NAME}: 80.0% [65.2%, 89.5%] on 40 rows" in capsys.readouterr().out


def test_the_hidden_set_too(run: RunPaths, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(run.config), "score"])
    capsys.readouterr()
    assert main([str(run.config), "score", "--split", "hidden"]) == 0
    name = "strict without labels by the rules in code"
    printed = capsys.readouterr().out
    assert f"student/a: {name} 75.0% " in printed
    hidden = summarise(load_config(run.config, [])).hidden
    assert hidden is not None and hidden.score == name
    arm = hidden.arms["student/a"]
    assert arm.val is not None and arm.shift is not None
    assert (arm.val.rate, arm.hidden.rate) == (0.8, 0.75)
    assert arm.shift.difference == pytest.approx(-0.05)


def test_with_a_model_strict_is_stated(run: RunPaths) -> None:
    """Once a model has judged base, teacher and student, all must-rules count."""
    with serving(lambda body: verdict("pass")) as served:
        llm = {"kind": "server", "base_url": served.url, "model": "m"}
        assert main([str(run.config), "score", f"judge.llm={json.dumps(llm)}"]) == 0
        scores = read_record(run.scores, JudgeResult).scores
        assert (scores.headline, scores.not_judged) == ("strict", ())
        assert scores.arms["student/a"].strict.rate == 0.8
        one_arm = ['judge.arms=["student/a"]', f"judge.llm={json.dumps(llm)}"]
        assert main([str(run.config), "score", *one_arm]) == 0
    scores = read_record(run.scores, JudgeResult).scores
    assert scores.headline == NAME  # base and teacher have no verdict on POLITE
    assert scores.arms["student/a"].strict.rate == 0.8
