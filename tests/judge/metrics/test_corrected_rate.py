"""The judge-corrected rate against closed forms, the authors' figures, and simulated coverage."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from judge.metrics.agreement import Confusion, effective_confusion, share_correct
from judge.metrics.estimators import corrected_rate
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import rate
from tests.judge.metrics.intervals import as_tuple
from tests.judge.metrics.simulated import SIZES, TIGHT, draw_answers

TIMES = 4000


def outcomes(passes: int, fails: int) -> list[bool]:
    return [True] * passes + [False] * fails


def interval(passed: list[bool], calibration: Confusion) -> Interval:
    estimate = corrected_rate(passed, range(len(passed)), calibration)
    assert isinstance(estimate, Interval), estimate
    return estimate


def test_a_judge_that_never_errs_leaves_agresti_and_coull() -> None:
    """With TPR = TNR = 1 on endless calibration the interval is p's own."""
    estimate = interval(outcomes(60, 20), Confusion(10**9, 0, 0, 10**9))
    low, high = proportion_confint(60, 80, method="agresti_coull")
    assert as_tuple(estimate) == pytest.approx((0.75, low, high), abs=1e-6)


def test_known_error_rates_only_stretch() -> None:
    """TPR 0.9, TNR 0.8 known for certain: value and ends of p, less 0.2, over 0.7."""
    estimate = interval(outcomes(60, 60), Confusion(9 * 10**8, 2 * 10**8, 10**8, 8 * 10**8))
    ends = (0.5, *proportion_confint(60, 120, method="agresti_coull"))
    assert as_tuple(estimate) == pytest.approx([(end - 0.2) / 0.7 for end in ends], abs=1e-6)


def test_by_hand() -> None:
    """8 of 8 and 8 of 8 become 0.9 and 0.9, each of variance 0.09/10; p = ½ and θ = ½ stay.

    The shifts cancel; the half width is z·√(0.25/(100 + z²) + 2·¼·0.009)/0.8 with z² = 3.8415.
    """
    estimate = interval(outcomes(50, 50), Confusion(8, 0, 0, 8))
    half = 1.959964 * (0.25 / 103.8415 + 0.0045) ** 0.5 / 0.8
    assert as_tuple(estimate) == pytest.approx((0.5, 0.5 - half, 0.5 + half), abs=1e-6)


@pytest.mark.parametrize(
    ("passed", "calibration", "expected"),
    [
        (outcomes(60, 20), Confusion(27, 6, 3, 14), (0.75, 0.5112309586, 1.0)),
        (outcomes(20, 130), Confusion(40, 10, 10, 40), (0.0, 0.0, 0.0866432669)),
    ],
)
def test_figures_of_the_authors_program(
    passed: list[bool], calibration: Confusion, expected: tuple[float, float, float]
) -> None:
    """Figures of the program that the authors publish with the paper, run on these counts."""
    assert as_tuple(interval(passed, calibration)) == pytest.approx(expected, abs=1e-9)


class TestRefused:
    def reason(self, passed: list[bool], calibration: Confusion, names: str | None = None) -> str:
        estimate = corrected_rate(passed, names or range(len(passed)), calibration)
        assert isinstance(estimate, Refusal)
        return estimate.reason

    def test_a_judge_that_knows_too_little(self) -> None:
        """J = 0.29 is refused and J = 0.31 is not, on 10,000 answers each."""
        assert "J = 0.29" in self.reason(outcomes(5, 5), Confusion(6900, 4000, 3100, 6000))
        interval(outcomes(5, 5), Confusion(7100, 4000, 2900, 6000))

    def test_too_small_a_calibration(self) -> None:
        """1 of 1 and 1 of 1 is J = 1, and adjusted 1/3; 3 of 10 beside 1 of 1 could be J < 0."""
        assert "adjusted" in self.reason(outcomes(5, 5), Confusion(3, 0, 7, 1))
        interval(outcomes(5, 5), Confusion(1, 0, 0, 1))

    def test_one_sided_calibration(self) -> None:
        assert "both" in self.reason(outcomes(5, 5), Confusion(10, 0, 0, 0))

    def test_one_question(self) -> None:
        assert "two questions" in self.reason(outcomes(1, 1), Confusion(90, 10, 10, 90), "aa")
        assert "two questions" in self.reason([], Confusion(90, 10, 10, 90))

    def test_verdicts_that_the_calibration_does_not_allow(self) -> None:
        """A judge that passes 40 % of bad answers cannot pass 1 % of 1,000."""
        assert "other kinds" in self.reason(outcomes(10, 990), Confusion(90, 40, 10, 60))


def coverage(
    rate: float, sizes: list[int], calibration: tuple[int, int], clustered: bool = True
) -> float:
    """Share of draws whose interval holds the true rate; judge 0.9/0.8, also on calibration."""
    sample = draw_answers(rate, 0.9, 0.8, sizes, TIMES)
    random = np.random.default_rng(1)
    passes, fails = calibration
    right = random.binomial(passes, 0.9, TIMES), random.binomial(fails, 0.8, TIMES)
    names = sample.clusters if clustered else range(len(sample.clusters))
    covered = stated = 0
    for passed, hits, rejections in zip(
        sample.passed.tolist(), *(counts.tolist() for counts in right), strict=True
    ):
        estimate = corrected_rate(
            passed, names, Confusion(hits, fails - rejections, passes - hits, rejections)
        )
        if isinstance(estimate, Interval):
            stated += 1
            covered += estimate.low <= rate <= estimate.high
    assert stated > 0.99 * TIMES
    return covered / stated


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8, 0.95])
def test_covers(rate: float) -> None:
    """174 answers to 158 questions, 60 + 40 calibration answers: measured 95.6 … 95.9 %.

    Of 4,000 draws 93 … 97 % is ± 5.8 standard errors.
    """
    assert 0.93 <= coverage(rate, SIZES, (60, 40)) <= 0.97


@pytest.mark.parametrize("rate", [0.5, 0.8])
def test_few_calibration_answers_are_on_the_safe_side(rate: float) -> None:
    """Half of the campus logs' labels is 13 good and 37 bad: measured 97.0 and 99.2 %."""
    assert coverage(rate, SIZES, (13, 37)) >= 0.93


def test_repeated_questions_need_their_clusters() -> None:
    """174 answers to 44 questions, endless calibration: p's variance is all there is.

    Measured 95.1 % with the clusters; taken for independent answers it is 85.8 %.
    """
    assert 0.93 <= coverage(0.5, TIGHT, (10**6, 10**6)) <= 0.97
    assert coverage(0.5, TIGHT, (10**6, 10**6), clustered=False) < 0.88


def test_the_counts_behind_two_intervals() -> None:
    """Answers to different questions count one each; copies of them add nothing."""
    gold, judged = outcomes(20, 20), [*outcomes(16, 4), *outcomes(2, 18)]
    tpr, tnr = (share_correct(gold, judged, range(40), side) for side in (True, False))
    assert effective_confusion(tpr, tnr) == pytest.approx(Confusion(16, 2, 4, 18))
    copies = [share_correct(gold * 3, judged * 3, [*range(40)] * 3, s) for s in (True, False)]
    assert effective_confusion(*copies) == pytest.approx(Confusion(16, 2, 4, 18))
    certain = share_correct([True] * 8, [True] * 8, range(8), True)  # an interval that ends at 1
    assert effective_confusion(certain, None) == pytest.approx(Confusion(8, 0, 0, 0))


@pytest.mark.parametrize(("clustered", "least", "most"), [(True, 0.93, 1.0), (False, 0.0, 0.75)])
def test_calibration_answers_to_one_question(clustered: bool, least: float, most: float) -> None:
    """Six answers of each kind to each of 15 questions; it errs on all of a question or on none.

    Measured: 96.6 % by the effective counts, 67 % by answers taken as independent.
    """
    random, covered = np.random.default_rng(3), []
    questions = np.repeat(np.arange(15), 6)
    names = questions.tolist() if clustered else range(90)
    for _ in range(500):
        good, right = random.random(400) < 0.5, random.random(400)
        passed = (right < np.where(good, 0.9, 0.2)).tolist()
        hits, rejections = (
            (random.random(15) < 0.9)[questions],
            (random.random(15) < 0.8)[questions],
        )
        tpr, tnr = rate(hits.tolist(), names), rate(rejections.tolist(), names)
        estimate = corrected_rate(passed, range(400), effective_confusion(tpr, tnr))
        if isinstance(estimate, Interval):
            covered.append(estimate.low <= 0.5 <= estimate.high)
    assert len(covered) > 450 and least <= np.mean(covered) <= most


def test_what_the_choice_took_off() -> None:
    """60 of 80, less a tenth, by a judge that never errs: 65 %, as if 52 of 80 had passed."""
    never = Confusion(10**9, 0, 0, 10**9)
    corrected = corrected_rate(outcomes(60, 20), range(80), never, optimism=0.1)
    assert isinstance(corrected, Interval)
    assert as_tuple(corrected) == pytest.approx(as_tuple(interval(outcomes(52, 28), never)))


@pytest.mark.parametrize(("tnr", "most"), [(0.6, 0.6), (0.5, 0.27)])
def test_a_judge_that_errs_otherwise_on_the_arm_is_not_corrected(tnr: float, most: float) -> None:
    """Calibrated with TNR 0.8, judged with another: why labels of the arm itself are needed.

    Measured 51 and 19 % of 500 draws; the bounds are 4 standard errors more.
    """
    sample = draw_answers(0.5, 0.9, tnr, SIZES, 500)
    random = np.random.default_rng(1)
    covered = 0
    for passed in sample.passed.tolist():
        hits, rejections = int(random.binomial(60, 0.9)), int(random.binomial(40, 0.8))
        calibration = Confusion(hits, 40 - rejections, 60 - hits, rejections)
        estimate = corrected_rate(passed, sample.clusters, calibration)
        assert isinstance(estimate, Interval)
        covered += estimate.low <= 0.5 <= estimate.high
    assert covered / 500 <= most
