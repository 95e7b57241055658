"""Non-inferiority by hand and by simulation: what a judge's errors do to the margin."""

import math

import numpy as np
import pytest
from scipy.stats import norm, t

from judge.metrics.estimators import NonInferiority, non_inferiority
from judge.metrics.interval import Refusal
from tests.judge.metrics.simulated import flipped


def decided(
    student: list[float], teacher: list[float], margin: float, index: float = 1.0
) -> NonInferiority:
    result = non_inferiority(student, teacher, range(len(student)), margin, index)
    assert isinstance(result, NonInferiority)
    return result


def test_by_hand() -> None:
    """3 better, 5 worse of 100: −0.02, s² = (8 − 100·0.02²)/99; the bound is a one-sided t."""
    student = [1.0] * 3 + [0.0] * 5 + [1.0] * 92
    teacher = [0.0] * 3 + [1.0] * 5 + [1.0] * 92
    result = decided(student, teacher, 0.08)
    error = math.sqrt((8 - 0.04) / 99 / 100)
    assert result.difference == pytest.approx(-0.02)
    assert result.low == pytest.approx(-0.02 - t.ppf(0.95, 99) * error)
    assert result.limit == -0.08 and result.holds  # −0.0675 is above −0.08 …
    assert not decided(student, teacher, 0.08, 0.8).holds  # … and not above −0.064
    rows = ((norm.ppf(0.95) + norm.ppf(0.8)) * error * 10 / 0.08) ** 2
    assert result.rows == math.ceil(rows) == 78


def test_copies_of_a_question_decide_nothing_more() -> None:
    student, teacher = [1.0, 0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0, 0.0]
    once = non_inferiority(student, teacher, "abcde", 0.1)
    thrice = non_inferiority(student * 3, teacher * 3, "abcde" * 3, 0.1)
    assert isinstance(once, NonInferiority) and isinstance(thrice, NonInferiority)
    assert thrice.low == pytest.approx(once.low)
    assert thrice.rows == pytest.approx(3 * once.rows, abs=3)


def test_no_difference_seen_is_bounded_by_three() -> None:
    """Alike on 50 rows: up to 3/50 may differ, which 5 points do not allow and 3/0.05 = 60 do."""
    result = decided([1.0] * 50, [1.0] * 50, 0.05)
    assert (result.low, result.holds, result.rows) == (-0.06, False, 60)
    assert decided([1.0] * 61, [1.0] * 61, 0.05).holds


def test_no_difference_is_bounded_by_questions_and_not_by_rows() -> None:
    """Alike on 50 rows of 25 questions: up to 3 of 25 questions may differ."""
    result = non_inferiority([1.0] * 50, [1.0] * 50, [n // 2 for n in range(50)], 0.05)
    assert isinstance(result, NonInferiority) and result.low == -3 / 25


def test_what_the_choice_took_off() -> None:
    """The bound of a student that was chosen on these rows is lower by its optimism."""
    student, teacher = [1.0] * 30 + [0.0] * 10, [1.0] * 28 + [0.0] * 10 + [1.0] * 2
    plain = non_inferiority(student, teacher, range(40), 0.1)
    chosen = non_inferiority(student, teacher, range(40), 0.1, 1.0, 0.04)
    assert isinstance(plain, NonInferiority) and isinstance(chosen, NonInferiority)
    assert chosen.low == pytest.approx(plain.low - 0.04)
    assert chosen.difference == pytest.approx(plain.difference - 0.04)


def test_refused() -> None:
    low = non_inferiority([1.0, 0.0], [1.0, 1.0], "ab", 0.05, 0.29)
    assert isinstance(low, Refusal) and "J = 0.29" in low.reason
    assert isinstance(non_inferiority([1.0, 0.0], [1.0, 1.0], "aa", 0.05), Refusal)


def held(
    worse_by: float, rows: int, judge: tuple[float, float], index: float, times: int = 10_000
) -> float:
    """Share of draws in which a student passes; teacher 80 %, margin 5 points, errors apart."""
    random = np.random.default_rng(4)
    teacher = flipped(random.random((times, rows)) < 0.8, *judge, random)
    student = flipped(random.random((times, rows)) < 0.8 - worse_by, *judge, random)
    pairs = zip(student.tolist(), teacher.tolist(), strict=True)
    passed = 0
    for of_student, of_teacher in pairs:
        result = non_inferiority(of_student, of_teacher, range(rows), 0.05, index)
        passed += isinstance(result, NonInferiority) and result.holds
    return passed / times


def test_a_noisy_judge_lets_a_worse_student_pass_unless_the_margin_shrinks() -> None:
    """Truly −6 points, δ = 5, 250 rows: 3 % pass by code; by a 0.9/0.8 judge 7.5 %, with δ·J 3 %.

    Measured 2.7, 7.7 and 3.2 %.

    The standard error of 10,000 draws is 0.17 and 0.26 points; four of each are allowed.
    """
    assert held(0.06, 250, (1.0, 1.0), 1.0) == pytest.approx(0.030, abs=0.007)
    assert held(0.06, 250, (0.9, 0.8), 1.0) == pytest.approx(0.075, abs=0.0105)
    assert held(0.06, 250, (0.9, 0.8), 0.7) == pytest.approx(0.032, abs=0.007)


def test_at_the_margin_five_percent_pass() -> None:
    """The level of the test: a student worse by exactly δ passes in 5 % (± 4 × 0.22 points)."""
    assert held(0.05, 250, (0.9, 0.8), 0.7) == pytest.approx(0.05, abs=0.009)


def test_the_stated_rows_decide_with_eighty_percent_power() -> None:
    """Judged rates are 0.76 each: σ² = 2·0.76·0.24; an equal student passes 80 % (± 4 × 0.9)."""
    sample = [1.0] * 76 + [0.0] * 24
    shuffled = [sample[(17 * number + 3) % 100] for number in range(100)]
    stated = decided(shuffled, sample, 0.05, 0.7).rows
    ideal = ((norm.ppf(0.95) + norm.ppf(0.8)) / 0.035) ** 2 * 2 * 0.76 * 0.24
    assert stated == pytest.approx(ideal, rel=0.4)  # one sample of 100 guesses σ² within that
    assert held(0.0, round(ideal), (0.9, 0.8), 0.7, 2000) == pytest.approx(0.8, abs=0.036)
