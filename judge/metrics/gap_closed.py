"""The share of the gap between base and teacher that a student closes, with its interval."""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import CONFIDENCE, Floats, cluster_sums, paired_difference

RESAMPLES = 10_000  # of a bootstrap
FEWEST_QUESTIONS = 10  # on fewer, resamples hardly differ and the interval is too narrow
_CHUNK = 500  # resamples drawn at once, which bounds the memory at a few MB


def gap_closed(
    student: Sequence[float],
    teacher: Sequence[float],
    base: Sequence[float],
    clusters: Sequence[Hashable],
    seed: int,
    optimism: float = 0.0,
) -> Interval | Refusal:
    """(student − base) / (teacher − base) over the same rows, with a bootstrap over clusters.

    `optimism` is a share by which the student's rate is too high. Refused on fewer than ten
    questions, when the teacher is not clearly above the base, where the ratio would be noise, and
    when all resamples give one ratio, so that the interval would have no width.
    """
    questions = len(set(clusters))
    if questions < FEWEST_QUESTIONS:
        return Refusal(
            f"only {questions} questions are scored in all three arms, fewer than "
            f"{FEWEST_QUESTIONS}: too few to bound the ratio"
        )
    gain = paired_difference(teacher, base, clusters)
    assert gain is not None  # there are two questions
    if gain.low <= 0:
        return Refusal(
            f"teacher − base = {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] is not "
            "clearly above zero"
        )
    arms = np.asarray([student, teacher, base], dtype=np.float64)  # [3, n]
    sums, sizes = cluster_sums(arms, clusters)  # [3, G], [G]
    numerators, denominators = sums[0] - sums[2] - optimism * sizes, sums[1] - sums[2]
    ratios = _resampled_ratios(numerators, denominators, seed)
    low = float(np.quantile(ratios, (1 - CONFIDENCE) / 2, method="lower"))
    high = float(np.quantile(ratios, (1 + CONFIDENCE) / 2, method="higher"))
    if math.isinf(low) or math.isinf(high):
        return Refusal("teacher − base is too near zero to bound the ratio")
    if high - low < 1e-9:
        like = "teacher" if sums[0].sum() == sums[1].sum() else "base"
        return Refusal(
            f"student and {like} obey on the same rows of the {questions} questions: nothing "
            "bounds the ratio"
        )
    return Interval(float(numerators.sum() / denominators.sum()), low, high)


def _resampled_ratios(numerators: Floats, denominators: Floats, seed: int) -> Floats:
    """Σ numerators / Σ denominators over resampled clusters: [G], [G] → [RESAMPLES].

    Without a gap in a resample the ratio is ±∞, not absent: leaving it out would make the interval
    too narrow.
    """
    random = np.random.default_rng(seed)
    count = len(numerators)
    ratios = []
    for _ in range(0, RESAMPLES, _CHUNK):
        weights = random.multinomial(count, np.full(count, 1 / count), size=_CHUNK)
        over, under = weights @ numerators, weights @ denominators
        infinite = np.where(over > 0, np.inf, -np.inf)
        ratios.append(np.where(under > 0, over / np.where(under > 0, under, 1.0), infinite))
    return np.concatenate(ratios)
