"""Statistics against scipy, brute force, simulation, and numbers from the books."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import (
    cluster_mean,
    clustered_interval,
    gap_closed,
    holm,
    mcnemar,
    paired_difference,
    rate,
    rule_of_three,
    wilson,
)
from tests.judge.metrics.intervals import as_tuple


@pytest.mark.parametrize(("passes", "n"), [(0, 1), (0, 20), (7, 20), (20, 20), (999, 1000)])
def test_wilson_is_scipys(passes: int, n: int) -> None:
    interval = wilson(passes, n)
    expected = binomtest(passes, n).proportion_ci(method="wilson")
    assert as_tuple(interval) == pytest.approx((passes / n, expected.low, expected.high), abs=1e-12)


def test_wilson_of_effective_counts_is_statsmodels() -> None:
    low, high = proportion_confint(12.3, 40.5, method="wilson")
    assert as_tuple(wilson(12.3, 40.5)) == pytest.approx((12.3 / 40.5, low, high))


def test_wilson_of_nothing_is_missing() -> None:
    assert wilson(0, 0) is None


def test_rule_of_three_is_the_exact_bound_nearly() -> None:
    """The exact one-sided bound of 0 in n solves (1−p)^n = 0.05; 3/n is its first-order form."""
    assert rule_of_three(300) == 0.01
    assert rule_of_three(300) == pytest.approx(1 - 0.05 ** (1 / 300), rel=0.01)
    assert rule_of_three(2) == rule_of_three(0) == 1.0


def test_clusters_of_one_are_the_t_interval() -> None:
    """With every row its own question, the robust error is s/√n: the textbook t interval."""
    values = [0.0, 1.0, 1.0, 0.5, 0.0, 1.0]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    interval = clustered_interval(values, range(6))
    assert as_tuple(interval) == pytest.approx(
        (np.mean(values), expected.low, expected.high), abs=1e-12
    )


def test_clustered_is_the_robust_regression_on_a_constant() -> None:
    """statsmodels' cluster-robust error of an intercept, uneven clusters, t of G − 1 degrees."""
    random = np.random.default_rng(2)
    names = random.integers(0, 12, 70).tolist()
    values = (random.random(12)[names] + random.random(70)).tolist()
    fit = OLS(values, np.ones(70)).fit(cov_type="cluster", cov_kwds={"groups": names}, use_t=True)
    low, high = fit.conf_int()[0]
    assert as_tuple(clustered_interval(values, names)) == pytest.approx(
        (fit.params[0], low, high), rel=1e-9
    )
    estimate = cluster_mean(values, names)
    assert estimate is not None and estimate.error == pytest.approx(fit.bse[0])
    other = random.random(70).tolist()
    fit = OLS(np.subtract(values, other), np.ones(70)).fit(
        cov_type="cluster", cov_kwds={"groups": names}, use_t=True
    )
    assert as_tuple(paired_difference(values, other, names)) == pytest.approx(
        (fit.params[0], *fit.conf_int()[0]), rel=1e-9
    )


def test_repeating_every_row_adds_no_certainty() -> None:
    """Three copies of each question carry what one does; unclustered, the width shrinks by √3."""
    values, once = [0.0, 1.0, 1.0, 0.0, 1.0], list("abcde")
    thrice = as_tuple(clustered_interval(values * 3, once * 3))
    assert thrice == pytest.approx(as_tuple(clustered_interval(values, once)))
    assert clustered_interval([1.0, 0.0], "aa") is None  # one question says nothing of others


def test_clustered_interval_covers() -> None:
    """40 questions × 5 rows that mostly agree: about 95 % covered, where Wilson covers far less."""
    random = np.random.default_rng(1)
    names = np.repeat(np.arange(40), 5).tolist()
    robust = naive = 0
    for _ in range(400):
        likely = np.repeat(random.choice([0.2, 0.8], 40), 5)
        values = random.random(200) < likely
        interval = clustered_interval(values.astype(float).tolist(), names)
        other = wilson(int(values.sum()), 200)
        assert interval is not None and other is not None
        robust += interval.low <= 0.5 <= interval.high
        naive += other.low <= 0.5 <= other.high
    assert 0.92 <= robust / 400 <= 0.98  # 3 standard errors of 400 trials at 0.95 are 0.033
    assert naive / 400 < 0.85


def test_rate_is_wilson_until_questions_repeat() -> None:
    values = [True, False, True, True]
    assert rate(values, "abcd") == wilson(3, 4)
    repeated = rate(values, "aabc")
    assert repeated is not None and repeated.value == 0.75
    assert 0 <= repeated.low < repeated.high <= 1
    assert rate([False] * 6, "aabbcc") == wilson(0, 3)  # three questions, not six rows
    assert rate([True] * 6, "aabbcc") == wilson(3, 3)
    split = rate([True, False] * 3, "aabbcc")  # no spread between questions, yet not certain
    assert split is not None and split.low < 0.5 < split.high
    assert rate([], "") is None


def test_paired_difference_is_the_mean_difference() -> None:
    estimate = paired_difference([1, 1, 0, 1], [0, 1, 0, 0], "abcd")
    assert estimate is not None and estimate.value == 0.5
    same = paired_difference([1, 0, 1], [1, 0, 1], "abc")
    assert same == Interval(0.0, 0.0, 0.0)


@pytest.mark.parametrize("pair", [(0, 0), (1, 0), (5, 1), (3, 3), (40, 20), (2, 900)])
def test_mcnemar_is_the_exact_binomial(pair: tuple[int, int]) -> None:
    expected = binomtest(pair[0], sum(pair)).pvalue if sum(pair) else 1.0
    assert mcnemar(*pair) == pytest.approx(expected, rel=1e-9)
    if sum(pair):
        expected = their_mcnemar([[7, pair[0]], [pair[1], 9]], exact=True).pvalue
        assert mcnemar(*pair) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_enumeration() -> None:
    """All 2⁶ ways in which 6 changed rows can fall: 14 are at least as lopsided as 5 to 1."""
    lopsided = sum(abs(2 * sum(way) - 6) >= 4 for way in itertools.product((0, 1), repeat=6))
    assert mcnemar(5, 1) == lopsided / 64 == 14 / 64


def test_holm_known_numbers() -> None:
    """Holm's own steps on 0.01, 0.04, 0.03, 0.005: ×4, ×3, ×2, ×1, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_is_statsmodels() -> None:
    p = np.random.default_rng(1).random(30) ** 3
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_is_the_closed_test() -> None:
    """Closed testing with Bonferroni: the largest, over all sets holding i, of |set|·min p."""
    p = [0.3, 0.001, 0.02, 0.04, 0.011]
    for index, interval in enumerate(holm(p)):
        sets = (
            subset
            for size in range(1, 6)
            for subset in itertools.combinations(range(5), size)
            if index in subset
        )
        brute = max(min(1.0, len(subset) * min(p[i] for i in subset)) for subset in sets)
        assert interval == pytest.approx(brute)


class TestGapClosed:
    base = [0.0] * 16 + [1.0] * 4
    teacher = [1.0] * 16 + [0.0, 1.0, 1.0, 1.0]
    student = [1.0] * 8 + [0.0] * 8 + [1.0] * 4

    def test_identities(self) -> None:
        """A student like the teacher closes all of it, one like the base none, without spread."""
        names = range(20)
        assert gap_closed(self.teacher, self.teacher, self.base, names, 0) == Interval(
            1.0, 1.0, 1.0
        )
        assert gap_closed(self.base, self.teacher, self.base, names, 0) == Interval(0.0, 0.0, 0.0)

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
        names = [number // 4 for number in range(20)]
        together = gap_closed(self.student, self.teacher, self.base, names, 0)
        assert isinstance(alone, Interval) and isinstance(together, Interval)
        assert together.high - together.low > alone.high - alone.low

    def test_refused_without_a_clear_gap(self) -> None:
        refused = gap_closed(self.teacher, self.base, self.base, range(20), 0)
        assert isinstance(refused, Refusal) and "not clearly above zero" in refused.reason
        noisy = [1.0, *self.base[1:]]
        assert isinstance(gap_closed(self.teacher, noisy, self.base, range(20), 0), Refusal)
        assert isinstance(gap_closed([1.0], [1.0], [0.0], ["a"], 0), Refusal)

    def test_nothing_is_infinite_or_nan(self) -> None:
        random = np.random.default_rng(5)
        for seed in range(50):
            s, t, b = (random.random((3, 8)) < [[0.5], [0.8], [0.3]]).astype(float)
            estimate = gap_closed(s.tolist(), t.tolist(), b.tolist(), range(8), seed)
            assert isinstance(estimate, Refusal) or all(map(math.isfinite, as_tuple(estimate)))
