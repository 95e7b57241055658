"""The figures of the benchmark of guided candidates, computed by hand on a few verdicts."""

from itertools import pairwise
from typing import get_args

from benchmarks.quality.guided_effect import (
    ArmFigures,
    ConditionalCounts,
    conditional_counts,
    guided_table,
)
from benchmarks.quality.guided_runs import ARMS, EXPERIMENTS, load_experiment, trainings
from data.answers import How
from judge.checks.check import EMPTY_ANSWER
from judge.verdict import Outcome, Verdict


def verdicts(rule: Outcome, converse: Outcome, note: str = "") -> list[Verdict]:
    """The verdicts on one answer: of `refusal` and of its converse."""
    return [
        Verdict(rule=name, arm="student/a", row="r", by="code", outcome=outcome, note=note)
        for name, outcome in (("refusal", rule), ("refusal_converse", converse))
    ]


def test_due_and_said_are_counted_over_rows_and_seeds() -> None:
    """Due on 3 answers, obeyed in 2; not due on 3, said in 1: an empty answer says nothing."""
    by_answer = {
        (0, "r0"): verdicts("pass", "not_applicable"),
        (1, "r0"): verdicts("fail", "not_applicable"),
        (0, "r1"): verdicts("pass", "not_applicable"),
        (0, "r2"): verdicts("not_applicable", "fail"),
        (1, "r2"): verdicts("not_applicable", "pass"),
        (0, "r3"): verdicts("not_applicable", "fail", EMPTY_ANSWER),
    }
    counts = conditional_counts(["refusal", "partial"], by_answer)
    assert counts["refusal"] == ConditionalCounts(due=3, obeyed=2, undue=3, said=1)
    assert counts["partial"] == ConditionalCounts(due=0, obeyed=0, undue=0, said=0)


def test_each_arm_adds_one_way() -> None:
    """So a row of the table differs from the one above it by that way, or that limit, alone."""
    ways = [arm.ways for arm in ARMS.values()]
    assert ways[-3] == ways[-2] == ways[-1] == get_args(How)
    assert [len(of_arm) for of_arm in ways[:5]] == [1, 2, 3, 4, 5]
    assert all(longer[: len(shorter)] == shorter for shorter, longer in pairwise(ways))


def test_every_training_has_its_own_student() -> None:
    """Three seeds of every recipe of every arm, on both experiments alike."""
    names = [
        [(training.arm, training.student.name) for training in trainings(load_experiment(path))]
        for path in EXPERIMENTS
    ]
    assert names[0] == names[1] and len(set(names[0])) == len(names[0])
    assert len(names[0]) == 3 * sum(len(arm.recipes) for arm in ARMS.values())


def test_table() -> None:
    """Mean of the seeds, and both shares of the rule."""
    figures = ArmFigures(
        arm="focused",
        recipe="plain",
        answers=40,
        seeds=(0.5, 0.6, 0.7),
        ordinary=0.75,
        with_prompt=None,
        rules={"refusal": ConditionalCounts(due=4, obeyed=3, undue=50, said=1)},
    )
    row = guided_table([figures]).splitlines()[2]
    assert row.startswith("| focused | plain | 40 | 60.0% | 50.0%, 60.0%, 70.0% | — | 75.0% | — |")
    assert row.endswith("| 75% / 2% |")
