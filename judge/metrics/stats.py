"""Intervals and tests of rates and paired differences: pure functions of numbers.

Knows nothing of rules and arms. A quantity that the numbers do not determine is None, never zero.
"""

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from judge.metrics.interval import Interval, Refusal

CONFIDENCE = 0.95
RESAMPLES = 10_000  # of a bootstrap
_CHUNK = 500  # resamples drawn at once, which bounds the memory at a few MB

Floats = NDArray[np.float64]


def wilson(passes: float, n: float) -> Interval | None:
    """Wilson's score interval of a rate (Wilson 1927); None without observations.

    The counts may be effective sizes, which are not whole numbers.
    """
    if n == 0:
        return None
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    rate = passes / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At 0 and n the ends are exactly 0 and 1, where the formula would leave rounding errors.
    low = 0.0 if passes == 0 else middle - half
    high = 1.0 if passes == n else middle + half
    return Interval(rate, low, high)


def rule_of_three(n: int) -> float:
    """One-sided 95 % upper bound of a rate with no event among `n` observations (Hanley 1983)."""
    return min(1.0, 3 / n) if n else 1.0


class ClusterMean(NamedTuple):
    """A mean with a standard error that allows for correlation within clusters."""

    value: float
    error: float  # standard error
    groups: int  # clusters, at least 2

    def bound(self, confidence: float) -> float:
        """One-sided margin of error: Student's t with groups − 1 degrees of freedom × error."""
        return _t(confidence, self.groups - 1) * self.error


@lru_cache(maxsize=256)  # scipy takes a hundred times longer than the rest of an interval
def _t(confidence: float, degrees: int) -> float:
    return float(t.ppf(confidence, degrees))


def cluster_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> ClusterMean | None:
    """Mean with a cluster-robust standard error, G/(G−1)-corrected; None below two clusters.

    Miller 2024, arXiv 2411.00640, section 2.2.
    """
    sums, sizes = cluster_sums(np.asarray(values, dtype=np.float64), clusters)
    count = len(sizes)
    if count < 2:
        return None
    n = float(sizes.sum())
    mean = float(sums.sum() / n)
    residuals = sums - mean * sizes
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / n
    return ClusterMean(mean, error, count)


def clustered_interval(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval | None:
    """The mean and its two-sided interval by `cluster_mean`."""
    mean = cluster_mean(values, clusters)
    if mean is None:
        return None
    half = mean.bound((1 + CONFIDENCE) / 2)
    return Interval(mean.value, mean.value - half, mean.value + half)


def effective_size(variance: float, mean_variance: float, most: float) -> float:
    """The number of independent observations whose mean has this variance (Kish 1965).

    `variance` is of one observation. Never more than `most`, and `most` where the mean shows no
    variance.
    """
    return min(most, variance / mean_variance) if mean_variance else most


def cluster_sums(values: Floats, clusters: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Sum (over the last axis) and size per cluster: values [..., n] → [..., G], [G]."""
    places: dict[Hashable, int] = {}
    index = np.array([places.setdefault(key, len(places)) for key in clusters], dtype=np.intp)
    sums = np.zeros((len(places), *values.shape[:-1]))
    np.add.at(sums, index, values.T)
    return sums.T, np.bincount(index, minlength=len(places)).astype(np.float64)


def rate(values: Sequence[bool], clusters: Sequence[Hashable]) -> Interval | None:
    """A pass rate: Wilson's interval, or the clustered one where questions repeat.

    Where the clusters show no variance, Wilson's interval counts clusters instead of values.
    """
    groups = len(set(clusters))
    if groups == len(values):
        return wilson(sum(values), len(values))
    interval = clustered_interval(values, clusters)
    if interval is None or interval.low == interval.high:
        if all(values) or not any(values):
            return wilson(groups if all(values) else 0, groups)
        return _wilson_of_share(sum(values) / len(values), groups)
    return Interval(interval.value, max(0.0, interval.low), min(1.0, interval.high))


def _wilson_of_share(share: float, groups: int) -> Interval:
    counts = math.floor(share * groups), math.ceil(share * groups)
    intervals = [interval for count in counts if (interval := wilson(count, groups))]
    return Interval(share, min(i.low for i in intervals), max(i.high for i in intervals))


def paired_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable]
) -> Interval | None:
    """Mean of first − second over the same rows, with the clustered interval."""
    return clustered_interval([a - b for a, b in zip(first, second, strict=True)], clusters)


def independent_difference(first: Interval, second: Interval) -> Interval:
    """First − second of two independent samples, from the interval of each.

    MOVER (Zou & Donner 2008); of two Wilson intervals it is Newcombe's method 10 (1998).
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)


def mcnemar(better: int, worse: int) -> float:
    """Exact two-sided p-value of equal changes in both directions (McNemar 1947).

    `better` and `worse` count the rows on which only one of the two arms passes.
    """
    n = better + worse
    tail = sum(math.comb(n, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << n))  # integers until here: exact at any n


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the same order."""
    values = np.array(p_values, dtype=np.float64)
    order = np.argsort(values)
    scaled = np.arange(len(values), 0, -1) * values[order]
    values[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    adjusted: list[float] = values.tolist()
    return adjusted


def gap_closed(
    student: Sequence[float],
    teacher: Sequence[float],
    base: Sequence[float],
    clusters: Sequence[Hashable],
    seed: int,
) -> Interval | Refusal:
    """(student − base) / (teacher − base) over the same rows, with a bootstrap over clusters.

    Refused when the teacher is not clearly above the base, where the ratio would be noise.
    """
    gain = paired_difference(teacher, base, clusters)
    if gain is None:
        return Refusal("fewer than two questions are scored in all three arms")
    if gain.low <= 0:
        return Refusal(
            f"teacher − base = {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] is not "
            "clearly above zero"
        )
    arms = np.asarray([student, teacher, base], dtype=np.float64)  # [3, n]
    sums, _ = cluster_sums(arms, clusters)  # [3, G]; the sizes cancel in the ratio
    ratios = _resampled_ratios(sums[0] - sums[2], sums[1] - sums[2], seed)
    low = float(np.quantile(ratios, (1 - CONFIDENCE) / 2, method="lower"))
    high = float(np.quantile(ratios, (1 + CONFIDENCE) / 2, method="higher"))
    if math.isinf(low) or math.isinf(high):
        return Refusal("teacher − base is too near zero to bound the ratio")
    value = (sums[0] - sums[2]).sum() / (sums[1] - sums[2]).sum()
    return Interval(float(value), low, high)


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
