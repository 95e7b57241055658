"""The correction for the choice of the best student, by hand and by simulation."""

import time
from typing import NamedTuple

import numpy as np
import pytest

from judge.metrics.correct_choice import ChosenStudent, correct_choice
from judge.metrics.estimators import NonInferiority, non_inferiority
from judge.metrics.optimism import Criterion, ScoreSums, choice_optimism
from judge.metrics.paired import compare_arms, gap_scores
from judge.metrics.scores import score
from judge.metrics.stats import Floats, paired_difference, rate
from judge.metrics.trained_optimism import strict_cases
from judge.metrics.verdict_table import BY_CODE, STRICT, build_verdict_table
from judge.verdict import Verdict
from tests.judge.factories import llm_check, make_row, make_rule, make_rules, make_verdict
from tests.judge.metrics.simulated import Bools

ROWS = 76  # val rows of the demo
DRAWS = 120
HARDNESS = 0.93  # of the Beta distribution of a row's pass rate: students correlate by 0.35


def optimism(passes: Floats, seed: int = 0) -> float:
    """By how much the best of these students [K, n] looks too good, each row its own question."""
    sums = ScoreSums(passes, np.ones_like(passes))
    criterion = Criterion(ScoreSums(passes[None], np.ones_like(passes)[None]), sums)
    return choice_optimism(criterion, sums, int(passes.sum(axis=1).argmax()), seed)


class Arms(NamedTuple):
    """Passes of equal students [draws, K, n], of a teacher as good or better, and of a base."""

    students: Bools
    teacher: Bools
    base: Bools


def equal_students(count: int, worse_by: float = 0.0) -> Arms:
    """Students that pass half of the rows, less `worse_by`; the teacher half, the base 5 %."""
    random = np.random.default_rng(count)
    chance = random.beta(HARDNESS, HARDNESS, (DRAWS, 1, ROWS))
    students = random.random((DRAWS, count, ROWS)) < chance
    students &= random.random(students.shape) >= 2 * worse_by
    teacher = random.random((DRAWS, ROWS)) < chance[:, 0]
    return Arms(students, teacher, random.random((DRAWS, ROWS)) < 0.05)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple[float, float]]:
    """Name → means over the draws without and with the correction."""
    sums: dict[str, Floats] = {}

    def add(name: str, raw: float, corrected: float) -> None:
        sums[name] = sums.get(name, np.zeros(2)) + np.array([raw, corrected]) / DRAWS

    for students, teacher, _ in zip(*equal_students(24), strict=True):
        passes = students.astype(float)
        best = students[passes.sum(axis=1).argmax()].tolist()
        shares = (0.0, optimism(passes))
        rates = [rate(best, range(ROWS), share) for share in shares]
        gains = [paired_difference(best, teacher, range(ROWS), share) for share in shares]
        add("bias", *(of.value - 0.5 for of in rates if of))
        add("covered", *(of.low <= 0.5 <= of.high for of in rates if of))
        add("better", *(gain.low > 0 for gain in gains if gain))
    for students, teacher, _ in zip(*equal_students(24, worse_by=0.1), strict=True):
        passes = students.astype(float)
        best = passes[passes.sum(axis=1).argmax()].tolist()
        tests = [
            non_inferiority(best, teacher.astype(float).tolist(), range(ROWS), 0.1, 1.0, share)
            for share in (0.0, optimism(passes))
        ]
        add("passes", *(test.holds for test in tests if isinstance(test, NonInferiority)))
    return {name: (float(pair[0]), float(pair[1])) for name, pair in sums.items()}


class TestSimulated:
    """Without the correction the best of 24 equal students is 9 points too high and covered in 69 %
    of draws; the student is called better than its equal teacher in 16 %, and a student that is
    worse by the margin passes the gate in 30 %. The standard error of 120 draws at 95 % is 2
    points, that of the bias half a point."""

    def test_rate(self, outcomes: dict[str, tuple[float, float]]) -> None:
        """Measured: bias 9.2 → 0.3 points, coverage 69 → 98 %."""
        assert outcomes["bias"][0] > 0.07 and abs(outcomes["bias"][1]) < 0.02
        assert outcomes["covered"][0] < 0.8 and outcomes["covered"][1] > 0.91

    def test_conclusions(self, outcomes: dict[str, tuple[float, float]]) -> None:
        """Measured: "better" 17 → 1 %, the gate at its margin 30 → 2 %; 5 % are allowed."""
        assert outcomes["better"][0] > 0.08 and outcomes["better"][1] <= 0.05
        assert outcomes["passes"][0] > 0.2 and outcomes["passes"][1] <= 0.07

    def test_two_students(self) -> None:
        """The better of two looks 1.8 points better than it is; within 1.5 points afterwards."""
        draws = [students.astype(float) for students in equal_students(2).students]
        raw = np.mean([passes.sum(axis=1).max() / ROWS for passes in draws]) - 0.5
        assert abs(raw - np.mean([optimism(passes) for passes in draws])) < 0.015 < raw


class TestByHand:
    def test_nothing_is_taken_off_where_one_student_is_always_the_best(self) -> None:
        """The first obeys wherever the second does, and on half of the rows more."""
        passes = np.array([[1.0] * 40, [1.0] * 10 + [0.0] * 30])
        assert optimism(passes) == 0.0

    def test_one_student(self) -> None:
        assert optimism(np.array([[1.0, 0.0] * 20])) == 0.0

    def test_against_a_plain_loop(self) -> None:
        """The same bias from resampled rows, one by one: 2,000 each move by 0.3 points."""
        random = np.random.default_rng(3)
        passes = (random.random((5, 30)) < 0.5).astype(float)
        best, losses = int(passes.sum(axis=1).argmax()), []
        for _ in range(4000):
            drawn = random.integers(0, 30, 30)
            chosen = int(passes[:, drawn].sum(axis=1).argmax())
            left_out = np.setdiff1d(np.arange(30), drawn)
            losses.append(passes[best, left_out].mean() - passes[chosen, left_out].mean())
        assert optimism(passes) == pytest.approx(np.mean(losses), abs=0.012)
        assert np.mean(losses) > 0.03

    def test_equal_students_stay_in_order(self) -> None:
        """Of students with equal scores on all rows the first is chosen: there is no loss."""
        assert optimism(np.array([[1.0, 0.0] * 20] * 3)) == 0.0


REFUSAL = make_rule(
    {"type": "json"},
    id="refusal",
    applies={"code": [{"field": "labels", "matches": "off"}]},
    converse=True,
)
MUST = make_rule({"type": "json"}, id="must")


def verdicts(passes: dict[str, Bools]) -> list[Verdict]:
    """Verdicts of `must` on rows r0, r1, …, by arm."""
    return [
        make_verdict("pass" if passed else "fail", row=f"r{number}", arm=arm)
        for arm, of_arm in passes.items()
        for number, passed in enumerate(of_arm.tolist())
    ]


def test_cases_are_those_of_the_choice() -> None:
    """A conditional must-rule is a case where it is due; the other rows are one."""
    rules = make_rules(MUST, REFUSAL)
    off, on = make_row(labels=("off",)), make_row(labels=())
    assert strict_cases(rules, off) == {"refusal"} and strict_cases(rules, on) == {None}
    assert strict_cases(make_rules(MUST), off) == frozenset()


def test_the_choice_is_by_case() -> None:
    """The first student fails all 4 refusals and obeys on 36 rows, the second fails 18 of 36 and
    obeys all refusals: by case 50 and 75 %. By strict over all rows the first would be chosen on
    every resample, and lose nothing; by case the second one, which is the best, is."""
    rules = make_rules(MUST, REFUSAL)
    rows = [make_row(f"r{n}", labels=("off",) if n < 4 else ()) for n in range(40)]
    number = np.arange(40)
    first, second = number >= 4, (number < 4) | (number % 2 == 0)
    table = build_verdict_table(make_rules(MUST), rows, verdicts({"a": first, "b": second}))
    chosen = ChosenStudent(arm="b", tried=("a", "b"))
    cases = {row.id: strict_cases(rules, row) for row in rows}
    by_case = correct_choice(table, chosen, STRICT, 0, cases).choice
    over_all = correct_choice(table, chosen, STRICT, 0).choice
    assert by_case is not None and over_all is not None
    assert by_case.optimism < 0.01  # a resample without a refusal is of one case
    assert over_all.optimism == 0.0  # never below zero, though the first scores higher there


class TestScores:
    """Two students that agree on no row, with teacher and base, on 40 rows."""

    number = np.arange(40)
    rows = [make_row(f"r{n}") for n in range(40)]
    passes = {
        "base": number < 0,
        "teacher": number < 30,
        "student/a": number < 20,
        "student/b": number >= 21,
    }
    chosen = ChosenStudent(arm="student/a", tried=("student/a", "student/b"))

    def test_all_strict_numbers_are_corrected(self) -> None:
        """20 of 40, less the correction; the other student stays as measured."""
        plain = score(make_rules(MUST), self.rows, verdicts(self.passes))
        result = score(make_rules(MUST), self.rows, verdicts(self.passes), chosen=self.chosen)
        assert result.choice is not None and result.choice.tried == 2
        off = result.choice.optimism
        assert off > 0.03
        assert result.arms["student/a"].strict.rate == pytest.approx(0.5 - off)
        assert result.arms["student/b"] == plain.arms["student/b"]
        differences = {
            c.against: c.difference
            for c in result.comparisons
            if (c.student, c.what) == ("student/a", "strict")
        }
        assert differences == pytest.approx({"teacher": -0.25 - off, "base": 0.5 - off})
        gap = next(gap for gap in result.gaps if gap.student == "student/a")
        assert gap.value == pytest.approx((0.5 - off) / 0.75)
        (sentence,) = result.choice.sentences
        assert sentence.startswith("a is the best of 2 students on these rows: for that choice ")
        assert f" {100 * off:.1f} points are taken off its strict rate" in sentence

    def test_the_p_value_is_corrected_as_its_interval_is(self) -> None:
        """Not adjusted once more for the number of students: the two could contradict."""
        result = score(make_rules(MUST), self.rows, verdicts(self.passes), chosen=self.chosen)
        plain = score(make_rules(MUST), self.rows, verdicts(self.passes))
        corrected, uncorrected = (
            next(c for c in of.comparisons if (c.student, c.against) == ("student/a", "teacher"))
            for of in (result, plain)
        )
        assert corrected.p is not None and uncorrected.p is not None
        assert corrected.p < uncorrected.p  # a is behind the teacher, and the correction adds to it
        assert corrected.p_holm is None

    def test_the_winner_of_a_search_counts_on_unseen_rows_only(self) -> None:
        """It passes 5 of the 10 rows that no trial saw, and 15 of the 30 others."""
        unseen = frozenset(f"r{n}" for n in range(15, 25))
        chosen = self.chosen._replace(tried=("student/a",), trials=9, unseen=unseen)
        result = score(make_rules(MUST), self.rows, verdicts(self.passes), chosen=chosen)
        strict = result.arms["student/a"].strict
        assert (strict.rate, strict.n, strict.missing) == (0.5, 10, 0)
        assert result.arms["student/b"].strict.n == 40
        gap = next(gap for gap in result.gaps if gap.student == "student/a")
        assert (gap.n, gap.value) == (10, 0.5)
        assert result.choice is not None
        assert result.choice.sentences == (
            "a won a search of 9 trials: it is scored on the 10 val rows that no trial looked at.",
        )

    def test_a_search_that_saw_all_rows_says_so(self) -> None:
        chosen = self.chosen._replace(tried=("student/a",), trials=9)
        result = score(make_rules(MUST), self.rows, verdicts(self.passes), chosen=chosen)
        assert result.choice is not None
        (sentence,) = result.choice.sentences
        assert "looked at all val rows" in sentence and "at least 20 questions" in sentence

    def test_the_score_of_choice_stands_for_one_that_not_all_students_have(self) -> None:
        """A model judged the chosen student alone: its correction is that of the rules in code."""
        polite = make_rule(llm_check(), id="polite")
        rules = make_rules(MUST, polite)
        judged = [make_verdict("pass", "polite", row.id, "student/a") for row in self.rows]
        table = build_verdict_table(rules, self.rows, [*verdicts(self.passes), *judged])
        assert table.decided("student/a", STRICT) and not table.decided("student/b", STRICT)
        strict = correct_choice(table, self.chosen, STRICT, 0).choice
        assert strict == correct_choice(table, self.chosen, BY_CODE, 0).choice

    def test_comparisons_between_others_are_untouched(self) -> None:
        table = build_verdict_table(make_rules(MUST), self.rows, verdicts(self.passes))
        corrected = correct_choice(table, self.chosen, STRICT, 0)
        for arms in (("student/b", "teacher"), ("teacher", "base")):
            assert compare_arms(corrected, *arms, STRICT) == compare_arms(table, *arms, STRICT)
        gaps = [list(gap_scores(of, STRICT, 0))[1] for of in (table, corrected)]
        assert gaps[0] == gaps[1] and gaps[0].student == "student/b"
        assert corrected.optimism("student/a", "must") == 0.0  # a rule's rate is as measured


def test_quick_enough() -> None:
    """24 students on 500 rows: 2,000 resamples of the whole choice take about a second."""
    passes = (np.random.default_rng(0).random((24, 500)) < 0.5).astype(float)
    start = time.process_time()
    optimism(passes)
    assert time.process_time() - start < 3.0
