"""`teacher select` without one obedient candidate: the rule that they break, and what helps."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import DataError
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder
from judge.verdict import Verdict
from teacher.commands import run_select
from teacher.generate import TeacherModels, generate
from teacher.rejection_sampling import select
from teacher.scored_candidate import ScoredCandidate
from teacher.selection import count_outcomes, nothing_selected_line
from tests.teacher.candidate_factory import ScriptedEngine, candidate, experiment

WAY_OUT = (
    "add a worked example to prompt.examples that obeys {rule}, take a larger teacher.model, or "
    "correct the check of {rule}, if answers that you find good fail it: `unprompted judge … "
    "try-rules`"
)


def breaking(row: str, sample: int, *rules: str) -> ScoredCandidate:
    """A candidate that breaks these of the must-rules a to d."""
    verdicts = [
        Verdict(
            arm="c",
            row=row,
            sample=sample,
            rule=rule,
            outcome="fail" if rule in rules else "pass",
            reason=None,
        )
        for rule in "abcd"
    ]
    return replace(candidate(row, sample), verdicts=verdicts, must_rules=tuple("abcd"))


def line(*candidates: ScoredCandidate, guided: bool = True) -> str:
    return nothing_selected_line(count_outcomes(select(candidates, 1)), guided)


def test_one_rule_that_all_break_is_named_with_the_next_two() -> None:
    """Of four candidates all break b, two d, one a; c is broken by none."""
    text = line(
        breaking("r", 0, "b"),
        breaking("r", 1, "b", "d"),
        breaking("s", 0, "b", "d"),
        breaking("s", 1, "a", "b"),
    )
    assert text == (
        "none of 4 candidates for 2 rows can be learnt: all of them break rule b (also broken: d "
        "by 2, a by 1); " + WAY_OUT.format(rule="b")
    )


def test_one_rule_alone_and_guidance_that_is_off() -> None:
    text = line(breaking("r", 0, "c"), breaking("s", 0, "c"), guided=False)
    assert text == (
        "none of 2 candidates for 2 rows can be learnt: all of them break rule c and no other; set "
        "teacher.guided: true, " + WAY_OUT.format(rule="c")
    )


def test_several_rules_of_which_none_is_broken_by_all() -> None:
    """The three most frequent ones; a truncated candidate is counted beside them."""
    text = line(
        breaking("r", 0, "a", "b", "c", "d"),
        breaking("r", 1, "a", "b", "c"),
        breaking("r", 2, "a", "b"),
        breaking("r", 3, "d"),
        candidate("r", 4, finish="length"),
    )
    assert text.startswith(
        "none of 5 candidates for 1 rows can be learnt: all 4 that are whole and new break some "
        "must-rule: a by 3 of 4, b by 3 of 4, c by 2 of 4; truncated 1; add a worked example"
    )


def test_where_no_rule_is_the_reason() -> None:
    """Of two rows of three every candidate ends at the token limit."""
    cut = [candidate(row, 0, finish="length") for row in "rq"]
    assert line(*cut, breaking("s", 0, "a")) == (
        "none of 3 candidates for 3 rows can be learnt: truncated 2, broke_must_rule 1; a larger "
        "teacher.sampling.max_tokens may help"
    )


def test_select_ends_with_an_error_after_the_audit(tmp_path: Path) -> None:
    """This teacher gives each of 2 rows the same answer 4 times, without opening and closing."""
    config = experiment(tmp_path, {"one": 9, "two": 9}, "teacher.guided=false")
    engine = ScriptedEngine(RequestBuilder(config))
    generate(config, TeacherModels(engine, None), accept_changes=False)
    with pytest.raises(DataError) as error:
        run_select(config)
    run = RunPaths.of(config)
    assert str(error.value).startswith(
        "none of 8 candidates for 2 rows can be learnt: all 2 that are whole and new break rule "
        "opening (also broken: closing by 2); duplicate 6; set teacher.guided: true, "
    )
    assert str(error.value).endswith(f"; see {run.answers('candidates/train')}")
    assert run.audit.exists() and error.value.exit_code == 2
