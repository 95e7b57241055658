"""PPI++ against its closed form, its limits, and simulated coverage."""

import numpy as np
import pytest

from judge.metrics.estimators import LabelledSample, PoweredRate, powered_rate
from judge.metrics.interval import Interval
from judge.metrics.stats import rate, wilson
from tests.judge.metrics.intervals import as_tuple
from tests.judge.metrics.simulated import SIZES, TIGHT, draw_answers

Labels = list[bool | None]
NOTHING = np.array(None, dtype=object)


def powered(labels: Labels, judged: list[float | None]) -> PoweredRate:
    estimate = powered_rate(LabelledSample(labels, judged), range(len(labels)))
    assert estimate is not None
    return estimate


def test_closed_form_by_hand() -> None:
    """Four labelled: Y = 1 1 0 0, f = 1 0 0 0; eight unlabelled, of which four pass.

    cov = 1/6; var(f) over all twelve (five pass) = 35/132; λ = (1/6)/((1 + 4/8)·35/132) = 44/105.
    θ = 1/2 + λ(1/2 − 1/4). Y − λf is 1−λ, 1, 0, 0; f of the unlabelled has variance 2/7.
    """
    labels: Labels = [True, True, False, False, *[None] * 8]
    judged: list[float | None] = [1, 0, 0, 0, *[1] * 4, *[0] * 4]
    estimate = powered(labels, judged)
    weight = 44 / 105
    rest = [1 - weight, 1, 0, 0]
    variance = float(np.var(rest, ddof=1)) / 4 + weight**2 * (2 / 7) / 8
    worth = 0.25 / variance  # labels of variance 1/4 that would say as much
    value = 0.5 + weight / 4
    assert estimate.weight == pytest.approx(weight)
    assert as_tuple(estimate.rate) == pytest.approx(as_tuple(wilson(value * worth, worth)))


def test_a_judge_that_knows_nothing_wins_nothing() -> None:
    """One verdict for all: λ = 0, and the people's share stands."""
    labels: Labels = [True, False, True, True, *[None] * 20]
    estimate = powered(labels, [1.0] * 24)
    assert (estimate.weight, estimate.rate.value) == (0.0, 0.75)
    assert powered(labels, [None] * 24).rate == estimate.rate
    opposed: list[float | None] = [0, 1, 0, 0, *[0, 1] * 10]
    assert powered(labels, opposed).weight == 0.0  # never below 0


def test_a_judge_that_never_errs_is_worth_nearly_all_labels() -> None:
    """20 of 200 labelled: λ ≈ 1/(1 + 1/9), and the interval is as if nearly all were."""
    random = np.random.default_rng(1)
    good = (random.random(200) < 0.7).tolist()
    labels: Labels = [*good[:20], *[None] * 180]
    estimate = powered(labels, [float(is_good) for is_good in good])
    every = wilson(sum(good), 200)
    assert every is not None
    assert estimate.weight == pytest.approx(0.9, abs=0.15)
    assert as_tuple(estimate.rate) == pytest.approx(as_tuple(every), abs=0.03)


def test_never_surer_than_labels_on_every_answer() -> None:
    """Labels like the verdicts, and verdicts without spread beyond them: no certainty follows."""
    labels: Labels = [True, False, *[None] * 10]
    estimate = powered(labels, [1, 0, *[1] * 10])
    assert estimate.rate.high - estimate.rate.low >= 0.99 * _width(
        wilson(estimate.rate.value * 12, 12)
    )


def _width(estimate: Interval | None) -> float:
    assert estimate is not None
    return estimate.high - estimate.low


def test_labels_alone() -> None:
    """Where all labels agree, or no answer is unlabelled, the rate is that of the labels alone."""
    every: Labels = [True, False, True, True]
    estimate = powered(every, [1, 0, 1, 0])
    assert (estimate.rate, estimate.weight) == (rate([True, False, True, True], "abcd"), 0.0)
    same: Labels = [True, True, True, None, None]
    assert powered(same, [1, 0, 1, 0, 1]).rate == wilson(3, 3)
    assert powered_rate(LabelledSample([None, None], [1, 0]), "ab") is None
    one_question = LabelledSample([True, False, None], [1, 0, 1])
    assert powered_rate(one_question, "aab") is None


def coverage(
    good_rate: float, labelled: int, judge: tuple[float, float], sizes: list[int], missing: float
) -> tuple[float, float]:
    """Share of 3,000 draws that hold the true rate, and the mean width; labels drawn at random.

    `missing` is the chance that an answer has no verdict, twice that when it is bad.
    """
    times = 3000
    sample = draw_answers(good_rate, *judge, sizes, times)
    random = np.random.default_rng(2)
    n = len(sample.clusters)
    picked = random.random((times, n)).argsort(axis=1) < labelled
    gone = random.random((times, n)) < np.where(sample.good, missing, 2 * missing)
    labels = np.where(picked, sample.good.astype(object), NOTHING).tolist()
    judged = np.where(gone, NOTHING, sample.passed.astype(object)).tolist()
    covered, width = 0, 0.0
    for people, verdicts in zip(labels, judged, strict=True):
        estimate = powered_rate(LabelledSample(people, verdicts), sample.clusters)
        assert estimate is not None
        covered += estimate.rate.low <= good_rate <= estimate.rate.high
        width += (estimate.rate.high - estimate.rate.low) / times
    return covered / times, width


@pytest.mark.parametrize(
    ("good_rate", "judge"),
    [
        (0.5, (0.9, 0.8)),
        (0.8, (0.9, 0.8)),
        (0.8, (0.95, 0.95)),
        (0.8, (0.6, 0.5)),
        (0.93, (0.9, 0.8)),
    ],
)
def test_covers(good_rate: float, judge: tuple[float, float]) -> None:
    """50 labels on 174 answers to 158 questions, good judges and one that guesses.

    93 … 97 % of 3,000 draws is ± 5 standard errors; measured 94.5 … 95.7 %.
    """
    covered, _ = coverage(good_rate, 50, judge, SIZES, missing=0.0)
    assert 0.93 <= covered <= 0.97


def test_missing_verdicts_bias_nothing() -> None:
    """A fifth of the good and two fifths of the bad answers have no verdict: measured 95.1 %."""
    covered, _ = coverage(0.7, 50, (0.9, 0.8), SIZES, missing=0.2)
    assert 0.93 <= covered <= 0.97


def test_repeated_questions() -> None:
    """174 answers to 44 questions, 80 of them labelled: measured 93.8 %."""
    covered, _ = coverage(0.7, 80, (0.9, 0.8), TIGHT, missing=0.0)
    assert 0.93 <= covered <= 0.97


def test_a_better_judge_narrows() -> None:
    """50 labels: guessing leaves a width of 24.8 points, a 0.95/0.95 judge 17.2."""
    _, guessed = coverage(0.7, 50, (0.5, 0.5), SIZES, missing=0.0)
    _, known = coverage(0.7, 50, (0.95, 0.95), SIZES, missing=0.0)
    assert known < 0.8 * guessed


def test_the_choice_of_the_arm_is_taken_off() -> None:
    """The closed form above with verdicts that are 12 points too high: the slope of the labels on
    the verdicts is cov/var = (1/6)/(1/4) = 2/3, so 8 points are taken off."""
    labels: Labels = [True, True, False, False, *[None] * 8]
    judged: list[float | None] = [1, 0, 0, 0, *[1] * 4, *[0] * 4]
    whole = powered_rate(LabelledSample(labels, judged), range(12))
    reduced = powered_rate(LabelledSample(labels, judged, 0.12), range(12))
    assert whole is not None and reduced is not None
    assert whole.optimism == 0.0 and reduced.optimism == pytest.approx(0.08)
    assert whole.rate.value - reduced.rate.value == pytest.approx(0.08)
    alone = powered_rate(LabelledSample(labels[:4], judged[:4], 0.12), range(4))
    expected = rate([True, True, False, False], range(4), 0.08)
    assert alone is not None and expected is not None
    assert as_tuple(alone.rate) == pytest.approx(as_tuple(expected))


@pytest.mark.parametrize("labelled", [30, 76])
def test_the_best_of_nine_is_not_too_high(labelled: int) -> None:
    """Nine equal arms of 76 rows; the best by the verdicts is labelled, in part or whole.

    Unreduced, the labels are too high by their slope times the optimism of the verdicts (0.7 of
    7 points). Of 600 draws the error of the mean is 0.25 and 0.4 points; three of them are allowed.
    """
    random = np.random.default_rng(5)
    times, rows, arms = 600, 76, 9
    off = [0.0, 0.0]
    best_rates = [
        float((random.random((arms, rows)) < 0.5).sum(axis=1).max()) / rows for _ in range(4000)
    ]
    optimism = float(np.mean(best_rates)) - 0.5
    for _ in range(times):
        judged = random.random((arms, rows)) < 0.5
        best = judged[int(judged.sum(axis=1).argmax())]
        good = np.where(random.random(rows) < 0.85, best, ~best)
        picked = random.random(rows).argsort() < labelled
        labels = np.where(picked, good.astype(object), NOTHING).tolist()
        for place, share in enumerate((0.0, optimism)):
            sample = LabelledSample(labels, best.astype(float).tolist(), share)
            estimate = powered_rate(sample, range(rows))
            assert estimate is not None
            off[place] += (estimate.rate.value - 0.5) / times
    assert off[0] > 0.04
    assert abs(off[1]) < (0.012 if labelled < rows else 0.008)
