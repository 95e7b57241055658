"""The share of the gap that is closed: identities, a plain loop, coverage, refusals."""

import math

import numpy as np
import pytest

from judge.metrics.gap_closed import gap_closed
from judge.metrics.interval import Interval, Refusal
from tests.judge.metrics.intervals import as_tuple


class TestGapClosed:
    base = [0.0] * 16 + [1.0] * 4
    teacher = [1.0] * 16 + [0.0, 1.0, 1.0, 1.0]
    student = [1.0] * 8 + [0.0] * 8 + [1.0] * 4

    def test_no_interval_without_width(self) -> None:
        """A student like the teacher, or like the base, on all rows: every resample gives 100 or
        0 %, and [100, 100] would claim that no other question could differ."""
        for like, word in ((self.teacher, "teacher"), (self.base, "base")):
            refused = gap_closed(like, self.teacher, self.base, range(20), 0)
            assert isinstance(refused, Refusal) and f"student and {word} obey" in refused.reason

    def test_refused_on_few_questions(self) -> None:
        """Two rows gave [100, 100]; nine questions are too few, however often they are asked."""
        few = gap_closed([1.0] * 27, [1.0] * 27, [0.0] * 27, [n % 9 for n in range(27)], 0)
        assert isinstance(few, Refusal) and "only 9 questions" in few.reason
        rows = [0.0] + [1.0] * 9, [1.0] * 10, [0.0] * 10
        assert isinstance(gap_closed(*rows, range(10), 0), Interval)

    def test_what_is_taken_off(self) -> None:
        """5 points of 20 rows are one row less: 7 of 15, by as much in both ends."""
        whole = gap_closed(self.student, self.teacher, self.base, range(20), 7)
        less = gap_closed(self.student, self.teacher, self.base, range(20), 7, 0.05)
        assert isinstance(whole, Interval) and isinstance(less, Interval)
        assert less.value == pytest.approx(7 / 15)
        assert less.low < whole.low and less.high < whole.high

    def test_value_and_interval(self) -> None:
        estimate = gap_closed(self.student, self.teacher, self.base, range(20), 7)
        assert isinstance(estimate, Interval)
        assert estimate.value == pytest.approx(8 / 15)
        assert estimate.low < 8 / 15 < estimate.high
        again = gap_closed(self.student, self.teacher, self.base, range(20), 7)
        assert estimate == again  # seeded

    def test_against_a_plain_loop(self) -> None:
        random = np.random.default_rng(3)
        rows = np.array([self.student, self.teacher, self.base])
        ratios = []
        for _ in range(4000):
            s, t, b = rows[:, random.integers(0, 20, 20)].sum(axis=1)
            ratios.append((s - b) / (t - b))
        estimate = gap_closed(self.student, self.teacher, self.base, range(20), 7)
        expected = np.quantile(ratios, [0.025, 0.975])
        assert as_tuple(estimate)[1:] == pytest.approx(
            expected, abs=0.03
        )  # 4,000 loops: the tails move by 0.01

    def test_covers(self) -> None:
        """Base 0.1, teacher 0.7, student 0.55 on 40 rows: 0.75 of the gap, 95 % ± 3 × 2 points."""
        random = np.random.default_rng(6)
        arms = random.random((120, 3, 40)) < np.array([0.55, 0.7, 0.1])[:, None]
        covered = 0
        for student, teacher, base in arms.astype(float).tolist():
            estimate = gap_closed(student, teacher, base, range(40), 0)
            covered += isinstance(estimate, Interval) and estimate.low <= 0.75 <= estimate.high
        assert covered / 120 >= 0.89

    def test_repeated_questions_widen(self) -> None:
        alone = gap_closed(self.student, self.teacher, self.base, range(20), 0)
        names = [number // 2 for number in range(20)]
        together = gap_closed(self.student, self.teacher, self.base, names, 0)
        assert isinstance(alone, Interval) and isinstance(together, Interval)
        assert together.high - together.low > alone.high - alone.low

    def test_refused_without_a_clear_gap(self) -> None:
        refused = gap_closed(self.teacher, self.base, self.base, range(20), 0)
        assert isinstance(refused, Refusal) and "not clearly above zero" in refused.reason
        noisy = [1.0, *self.base[1:]]
        assert isinstance(gap_closed(self.teacher, noisy, self.base, range(20), 0), Refusal)

    def test_nothing_is_infinite_or_nan(self) -> None:
        random = np.random.default_rng(5)
        for seed in range(50):
            s, t, b = (random.random((3, 11)) < [[0.5], [0.8], [0.3]]).astype(float)
            estimate = gap_closed(s.tolist(), t.tolist(), b.tolist(), range(11), seed)
            assert isinstance(estimate, Refusal) or all(map(math.isfinite, as_tuple(estimate)))
