"""PPI++ of a difference of two arms: coverage where the judge errs otherwise on each of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from judge.metrics.estimators import LabelledSample, powered_difference, powered_rate
from judge.metrics.interval import Interval
from judge.metrics.stats import paired_difference, rate
from tests.judge.metrics.simulated import SIZES, TIGHT, TOGETHER, flipped

TIMES = 2000
LENIENT, HARSH = (0.95, 0.6), (0.85, 0.95)  # TPR and TNR on the first and on the second arm
NOTHING = np.array(None, dtype=object)


class Simulated(NamedTuple):
    corrected: float  # share of the draws whose interval holds the true difference
    uncorrected: float  # the same for the paired difference of the verdicts
    width: float  # mean, of the corrected interval


def simulate(
    rates: tuple[float, float], labelled: int, sizes: Sequence[int], paired: bool
) -> Simulated:
    """Both arms answer the same rows; `labelled` rows at random, of both arms the same if paired.

    An answer is good by its question's difficulty with chance √0.6, otherwise by its own.
    """
    random = np.random.default_rng(4)
    index = np.repeat(np.arange(len(sizes)), sizes)
    shape = (TIMES, len(index))
    difficulty = random.random((TIMES, len(sizes)))[:, index]
    labels: list[list[list[bool | None]]] = []
    judged: list[list[list[float | None]]] = []
    for arm_rate, errors in zip(rates, (LENIENT, HARSH), strict=True):
        of_question = random.random(shape) < TOGETHER**0.5
        good = np.where(of_question, difficulty, random.random(shape)) < arm_rate
        if not (paired and labels):
            picked = random.random(shape).argsort(axis=1) < labelled
        labels.append(np.where(picked, good.astype(object), NOTHING).tolist())
        judged.append(flipped(good, *errors, random).astype(float).tolist())
    truth, clusters = rates[0] - rates[1], index.tolist()
    covered, uncorrected, width = 0, 0, 0.0
    for first, second, f, g in zip(*labels, *judged, strict=True):
        estimate = powered_difference(LabelledSample(first, f), LabelledSample(second, g), clusters)
        naive = paired_difference(f, g, clusters)
        assert estimate is not None and naive is not None
        covered += estimate.low <= truth <= estimate.high
        uncorrected += naive.low <= truth <= naive.high
        width += (estimate.high - estimate.low) / TIMES
    return Simulated(covered / TIMES, uncorrected / TIMES, width)


@pytest.mark.parametrize("rates", [(0.7, 0.7), (0.6, 0.8), (0.5, 0.9)])
@pytest.mark.parametrize("sizes", [SIZES, TIGHT])
def test_covers_where_the_verdicts_do_not(rates: tuple[float, float], sizes: list[int]) -> None:
    """60 of 174 rows labelled in both arms; the verdicts alone are wrong by up to 30 points.

    Of 2,000 draws .92 is 6 standard errors below .95; measured .943 … .960, and 0 … .043 without
    the labels.
    """
    result = simulate(rates, 60, sizes, paired=True)
    assert 0.92 <= result.corrected <= 0.98
    assert result.uncorrected <= 0.1


def test_labels_of_the_same_rows_narrow() -> None:
    """The same number of labels on other rows of each arm is as valid, and wider."""
    same = simulate((0.7, 0.7), 60, SIZES, paired=True)
    other = simulate((0.7, 0.7), 60, SIZES, paired=False)
    assert 0.92 <= other.corrected <= 0.98
    assert same.width < 0.95 * other.width


def test_the_value_is_the_difference_of_the_powered_rates() -> None:
    random = np.random.default_rng(1)
    arms = [
        LabelledSample(
            [bool(random.random() < 0.6) if row < 30 else None for row in range(90)],
            [float(random.random() < 0.6) for _ in range(90)],
        )
        for _ in range(2)
    ]
    rates = [powered_rate(arm, range(90)) for arm in arms]
    estimate = powered_difference(arms[0], arms[1], range(90))
    assert estimate is not None and rates[0] is not None and rates[1] is not None
    assert estimate.value == pytest.approx(rates[0].rate.value - rates[1].rate.value)
    swapped = powered_difference(arms[1], arms[0], range(90))
    assert swapped is not None
    assert (swapped.low, swapped.high) == pytest.approx((-estimate.high, -estimate.low))


def test_equal_labels_leave_a_width() -> None:
    """20 rows, half good, no change between the arms, and no verdict that says more.

    Bonett and Price's interval of no change among 20 pairs is ± 1.96 · √(2/22 / 22) = 12.6 points.
    The correlation is (5 − ½)/(5 + ½) with one change of each kind, so that Wilson's half width of
    20.1 points shrinks by √(2 · 1/5.5) = 0.60 to 12.1.
    """
    labels: list[bool | None] = [True, False] * 10
    sample = LabelledSample(labels, [None] * 20)
    estimate = powered_difference(sample, sample, range(20))
    alone = rate([True, False] * 10, range(20))
    assert estimate is not None and alone is not None
    half = (0.5 - alone.low) * (2 / 5.5) ** 0.5
    assert estimate.value == 0
    assert estimate.high == pytest.approx(half, rel=0.05)
    assert estimate.high == pytest.approx(0.12, abs=0.01)


def test_all_good_in_both_arms() -> None:
    """Nothing varies: the width is what Wilson says of either arm, together."""
    sample = LabelledSample([True] * 20, [1.0] * 20)
    estimate = powered_difference(sample, sample, range(20))
    assert isinstance(estimate, Interval)
    assert -0.25 < estimate.low < -0.15 and 0.15 < estimate.high < 0.25


def test_nothing_without_labels_of_both() -> None:
    labelled = LabelledSample([True, False, None], [1.0, 0.0, 1.0])
    none = LabelledSample([None] * 3, [1.0, 0.0, 1.0])
    assert powered_difference(labelled, none, range(3)) is None
    assert powered_difference(none, labelled, range(3)) is None
    assert powered_difference(labelled, labelled, range(3)) is not None


def test_the_choice_of_the_first_arm_is_taken_off() -> None:
    """As off its rate: by what the optimism of its verdicts means for its labels."""
    random = np.random.default_rng(1)
    good = random.random((2, 90)) < 0.6
    first, second = (
        LabelledSample(
            [bool(of) if row < 30 else None for row, of in enumerate(arm)], arm.astype(float)
        )
        for arm in good
    )
    reduced = first._replace(optimism=0.05)
    whole, less = (powered_difference(arm, second, range(90)) for arm in (first, reduced))
    own = powered_rate(reduced, range(90))
    assert whole is not None and less is not None and own is not None
    assert whole.value - less.value == pytest.approx(own.optimism) == pytest.approx(0.05)
