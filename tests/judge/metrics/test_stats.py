"""Statistics against scipy, brute force, simulation, and numbers from the books."""

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from judge.metrics.stats import (
    cluster_mean,
    clustered_interval,
    effective_count,
    holm,
    paired_difference,
    rate,
    rule_of_three,
    sign_flip_test,
    wilson,
)
from tests.judge.metrics.intervals import as_tuple
from tests.judge.metrics.simulated import SIZES, TIGHT, draw_answers


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


def test_equal_values_have_no_interval() -> None:
    """Three equal word counts show no variance; an interval of no width would claim certainty."""
    assert clustered_interval([7.0, 7.0, 7.0], "abc") is None


class TestEffectiveCount:
    def test_by_hand(self) -> None:
        """Pairs that agree count once. Where both values of a pair differ, nothing is gained: a
        design effect below 1 is taken for 1, 40 values."""
        passed = [True, True, False, False] * 10
        names = [number // 2 for number in range(40)]
        assert effective_count(passed, names) == pytest.approx(20)
        assert effective_count(passed, range(40)) == 40
        assert effective_count([True] * 40, names) == pytest.approx(20)
        assert effective_count([True, False] * 20, names) > 37
        assert effective_count([True, False, True], "aaa") == 1

    def test_unequal_clusters(self) -> None:
        """60 single answers and one question asked 20 times, all alike within: one value of 61, or,
        where the repeated question decides the rate, as few as 80² / (60 + 400)."""
        names = [*range(60), *[60] * 20]
        alike = [n % 2 == 0 for n in range(60)]
        assert pytest.approx(effective_count([*alike, *[True] * 20], names), rel=0.3) == 6400 / 460
        assert 6400 / 460 < effective_count([True] * 80, names) < 61


class TestRate:
    def test_is_wilson_until_questions_repeat(self) -> None:
        values = [True, False, True, True]
        assert rate(values, "abcd") == wilson(3, 4)
        repeated = rate(values, "aabc")
        assert repeated is not None and repeated.value == 0.75
        assert 0 <= repeated.low < repeated.high <= 1
        assert rate([], "") is None

    def test_is_wilson_at_the_effective_count(self) -> None:
        """Three questions, not six rows."""
        for passes in (0, 3):
            assert as_tuple(rate([passes > 0] * 6, "aabbcc")) == pytest.approx(
                as_tuple(wilson(passes, 3))
            )
        split = rate([True, False] * 3, "aabbcc")  # no spread between questions, yet not certain
        assert split is not None and split.low < 0.5 < split.high

    def test_what_is_taken_off_moves_the_whole_interval(self) -> None:
        """30 of 40 less 5 points is the interval of 28 of 40; nothing is below zero."""
        values = [True] * 30 + [False] * 10
        assert as_tuple(rate(values, range(40), 0.05)) == pytest.approx(as_tuple(wilson(28, 40)))
        assert as_tuple(rate([True, False], "ab", 0.6)) == pytest.approx(as_tuple(wilson(0, 2)))

    @pytest.mark.parametrize(
        ("sizes", "share", "student_t"),
        [([1] * 59 + [2], 0.95, 0.84), (SIZES, 0.95, 0.91), (TIGHT, 0.95, 0.88)],
    )
    def test_covers(self, sizes: list[int], share: float, student_t: float) -> None:
        """One repeated question of 60 is enough: an interval of Student's t covers 84 % of 1,500
        draws (measured), Wilson's at the effective count 96 %. 93 % is 3.5 standard errors off."""
        sample = draw_answers(share, 1, 1, sizes, 1500)
        covered = by_t = 0
        for passed in sample.good.tolist():
            interval, other = (
                rate(passed, sample.clusters),
                clustered_interval(passed, sample.clusters),
            )
            assert interval is not None
            covered += interval.low <= share <= interval.high
            by_t += other is not None and other.low <= share <= other.high
        assert covered / 1500 >= 0.93
        assert by_t / 1500 <= student_t + 0.03

    @pytest.mark.parametrize("share", [0.5, 0.8])
    def test_is_not_too_wide(self, share: float) -> None:
        """174 answers to 44 questions: measured 95 … 96 %, and 98 % is 5 standard errors off."""
        sample = draw_answers(share, 1, 1, TIGHT, 1500)
        intervals = [rate(passed, sample.clusters) for passed in sample.good.tolist()]
        covered = sum(of.low <= share <= of.high for of in intervals if of)
        assert 0.93 <= covered / 1500 <= 0.98


class TestPairedDifference:
    def test_is_bonett_and_price(self) -> None:
        """8 better and 3 worse of 40: p₁₂ = 9/42 and p₂₁ = 4/42 around their difference, 5/42."""
        first = [1] * 8 + [0] * 3 + [1] * 29
        second = [0] * 8 + [1] * 3 + [1] * 29
        half = 1.959964 * ((13 / 42 - (5 / 42) ** 2) / 42) ** 0.5
        expected = (5 / 40, 5 / 42 - half, 5 / 42 + half)
        assert as_tuple(paired_difference(first, second, range(40))) == pytest.approx(expected)
        less = (5 / 40 - 0.1, 5 / 42 - 0.1 - half, 5 / 42 - 0.1 + half)
        assert as_tuple(paired_difference(first, second, range(40), 0.1)) == pytest.approx(less)

    @pytest.mark.parametrize("pairs", [2, 5, 20])
    def test_never_without_width(self, pairs: int) -> None:
        """Arms that are equal on all rows, or differ on all, are not known for certain."""
        same = paired_difference([1, 0] * pairs, [1, 0] * pairs, range(2 * pairs))
        ahead = paired_difference([1] * pairs, [0] * pairs, range(pairs))
        assert same is not None and same.low < -0.05 and same.high > 0.05
        assert ahead is not None and ahead.value == ahead.high == 1 and ahead.low < 0.9

    def test_copies_of_a_question_say_nothing_more(self) -> None:
        first, second, names = [1, 1, 0, 1, 0], [0, 1, 0, 0, 1], list("abcde")
        once = paired_difference(first, second, names)
        thrice = paired_difference(first * 3, second * 3, names * 3)
        assert as_tuple(thrice) == pytest.approx(as_tuple(once), abs=0.02)
        assert (
            paired_difference([1, 0], [0, 0], "aa") is None
        )  # one question says nothing of others

    @pytest.mark.parametrize("rows", [5, 8, 12, 20])
    def test_covers_on_few_rows(self, rows: int) -> None:
        """Better on 10 % of the rows and worse on 2 %: Student's t, which prints [0, 0] where no
        row differs, covers 46, 64, 79 and 88 % of the draws."""
        random = np.random.default_rng(rows).random((1500, rows))
        covered = by_t = 0
        for first, second in zip((random < 0.1).tolist(), (random > 0.98).tolist(), strict=True):
            interval = paired_difference(first, second, range(rows))
            assert interval is not None
            covered += interval.low <= 0.08 <= interval.high
            differences = np.subtract(first, second, dtype=float)
            ends = (
                ttest_1samp(differences, 0).confidence_interval(0.95) if any(differences) else None
            )
            by_t += ends is not None and ends.low <= 0.08 <= ends.high
        assert covered / 1500 >= 0.94
        assert by_t / 1500 < 0.92

    def test_covers_repeated_questions(self) -> None:
        """174 pairs of 44 questions, arms that agree within a question: measured 97 %."""
        arms = [draw_answers(share, 1, 1, TIGHT, 800, seed) for seed, share in ((1, 0.7), (2, 0.5))]
        covered = 0
        for first, second in zip(*(arm.good.tolist() for arm in arms), strict=True):
            interval = paired_difference(first, second, arms[0].clusters)
            assert interval is not None
            covered += interval.low <= 0.2 <= interval.high
        assert 0.92 <= covered / 800 <= 0.985


class TestSignFlip:
    @pytest.mark.parametrize("pair", [(0, 0), (1, 0), (5, 1), (3, 3), (40, 20), (2, 900)])
    def test_is_mcnemars_test_where_no_question_repeats(self, pair: tuple[int, int]) -> None:
        better, worse = pair
        first = [True] * better + [False] * worse + [True] * 7
        second = [False] * better + [True] * worse + [True] * 7
        expected = binomtest(better, sum(pair)).pvalue if sum(pair) else 1.0
        assert sign_flip_test(first, second, range(sum(pair) + 7)) == pytest.approx(
            expected, rel=1e-9
        )

    def test_by_enumeration(self) -> None:
        """Sums by question 3, 1, −1, 2, 0: all 2⁴ signs, of which so many reach |3 + 1 − 1 + 2|."""
        first = [True] * 4 + [False] + [True] * 2 + [True, False]
        second = [False] * 4 + [True] + [False] * 2 + [False, True]
        names = "aaabcddee"
        sums = (3, 1, 1, 2)
        lopsided = sum(
            abs(sum(sign * size for sign, size in zip(signs, sums, strict=True))) >= 5
            for signs in itertools.product((1, -1), repeat=4)
        )
        assert sign_flip_test(first, second, names) == pytest.approx(lopsided / 16)
        assert sign_flip_test([], [], "") == 1.0

    def test_level_where_questions_repeat(self) -> None:
        """174 answers of equal arms to 44 questions: by rows 23 % of the draws are significant,
        by questions 5.3 % (of 1,000 draws; 6.5 % is two standard errors above 5 %)."""
        arms = [draw_answers(0.7, 1, 1, TIGHT, 1000, seed) for seed in (1, 2)]
        significant = Counter[str]()
        for first, second in zip(*(arm.good.tolist() for arm in arms), strict=True):
            significant["rows"] += sign_flip_test(first, second, range(174)) < 0.05
            significant["questions"] += sign_flip_test(first, second, arms[0].clusters) < 0.05
        assert significant["rows"] > 120
        assert significant["questions"] <= 65


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
