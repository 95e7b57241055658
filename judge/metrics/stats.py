"""Intervals and tests of rates and paired differences: pure functions of numbers.

Knows nothing of rules and arms. A quantity that the numbers do not determine is None, never zero.
"""

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit  # scipy.stats takes half a second to import

from judge.metrics.interval import Interval

CONFIDENCE = 0.95

Floats = NDArray[np.float64]

_Z = float(ndtri((1 + CONFIDENCE) / 2))
_ROUNDING = 1e-18  # sums of squares below it are of equal values


def wilson(passes: float, n: float) -> Interval | None:
    """Wilson's score interval of a rate (Wilson 1927); None without observations.

    The counts may be effective sizes, which are not whole numbers.
    """
    if n == 0:
        return None
    rate = passes / n
    middle = (rate + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * math.sqrt(rate * (1 - rate) / n + _Z * _Z / (4 * n * n))
    # At 0 and n the ends are exactly 0 and 1, where the formula would leave rounding errors.
    low = 0.0 if passes == 0 else middle - half
    high = 1.0 if passes == n else middle + half
    return Interval(rate, low, high)


def wilson_size(interval: Interval) -> float:
    """The number of observations behind an interval by `wilson`, which may be an effective one.

    Each end x solves (rate − x)² = z²·x·(1 − x)/n.
    """
    end = interval.low if interval.low > 0 else interval.high
    return _Z * _Z * end * (1 - end) / (interval.value - end) ** 2


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
def _t(confidence: float, degrees: float) -> float:
    return float(stdtrit(degrees, confidence))


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
    spread = float(residuals @ residuals)
    error = math.sqrt(count / (count - 1) * spread) / n if spread > _ROUNDING else 0.0
    return ClusterMean(mean, error, count)


def clustered_interval(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval | None:
    """The mean and its two-sided interval by `cluster_mean`, of values that are no shares.

    None below two clusters, and where the clusters show no variance: the width would be zero.
    """
    mean = cluster_mean(values, clusters)
    if mean is None or mean.error == 0:
        return None
    half = mean.bound((1 + CONFIDENCE) / 2)
    return Interval(mean.value, mean.value - half, mean.value + half)


def effective_size(variance: float, mean_variance: float, most: float) -> float:
    """The number of independent observations whose mean has this variance (Kish 1965).

    `variance` is of one observation. Never more than `most`, and `most` where the mean shows no
    variance.
    """
    return min(most, variance / mean_variance) if mean_variance else most


def effective_count(
    values: Sequence[float], clusters: Sequence[Hashable], ends: tuple[float, float] = (0, 1)
) -> float:
    """The number of independent values whose mean is as uncertain as the mean of these values.

    It is n over the design effect. Two factors allow for an effect that is estimated from few
    clusters: one more cluster at each of the `ends` of the values, without which an effect seen on
    a few fails alone is too small (as Agresti & Coull add to counts); and the squared ratio of
    Student's t of n and of the effective number of clusters (Korn & Graubard 1998, Survey
    Methodology 24). It is n where no cluster repeats. Never more, and never fewer than n²/Σ size²,
    which is right where all values of a cluster are equal (Kish 1965).
    """
    sums, sizes = cluster_sums(np.asarray(values, dtype=np.float64), clusters)
    n, groups = float(sizes.sum()), len(sizes)
    if groups == n:
        return n
    fewest = n * n / float(sizes @ sizes)
    if groups == 1:
        return fewest
    size = n / groups
    sums, sizes = np.append(sums, [size * end for end in ends]), np.append(sizes, [size, size])
    total = float(sizes.sum())
    mean = float(sums.sum()) / total
    residuals = sums - mean * sizes
    mean_variance = (groups + 2) / (groups + 1) * float(residuals @ residuals) / total**2
    squares = float(np.square(values).sum()) + size * (ends[0] ** 2 + ends[1] ** 2)
    variance = (squares - total * mean**2) / (total - 1)
    tails = (1 + CONFIDENCE) / 2
    few_clusters = (_t(tails, n - 1) / _t(tails, max(1.0, fewest - 1))) ** 2
    count = effective_size(variance, mean_variance, total) * n / total * few_clusters
    return min(n, max(fewest, count))


def cluster_sums(values: Floats, clusters: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Sum (over the last axis) and size per cluster: values [..., n] → [..., G], [G]."""
    places: dict[Hashable, int] = {}
    index = np.array([places.setdefault(key, len(places)) for key in clusters], dtype=np.intp)
    sums = np.zeros((len(places), *values.shape[:-1]))
    np.add.at(sums, index, values.T)
    return sums.T, np.bincount(index, minlength=len(places)).astype(np.float64)


def rate(
    values: Sequence[bool], clusters: Sequence[Hashable], optimism: float = 0.0
) -> Interval | None:
    """A pass rate with Wilson's interval at the effective number of values; None without values.

    `optimism` is a share by which the rate is too high, see `judge.metrics.optimism`.
    Wilson's interval at an effective size: Franco et al. 2019 (J. Survey Stat. Methodol. 7).
    """
    n = len(values)
    if n == 0:
        return None
    passes = max(0.0, sum(values) - optimism * n)
    size = effective_count(values, clusters)
    interval = wilson(passes * size / n, size)
    return None if interval is None else Interval(passes / n, interval.low, interval.high)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    optimism: float = 0.0,
) -> Interval | None:
    """Mean of first − second over the same rows, both 0 or 1; None below two clusters.

    Bonett & Price 2012 (J. Educ. Behav. Stat. 37): Wald's interval with one pair more of each kind
    of change, here at the effective number of pairs. Without any change it is not [0, 0].
    `optimism` is a share by which the first rate is too high.
    """
    differences = np.subtract(np.asarray(first, dtype=np.float64), second)
    if len(set(clusters)) < 2:
        return None
    middle, error = _added_pairs(differences, clusters)
    value = max(-1.0, float(differences.mean()) - optimism)
    low, high = (middle - optimism + sign * _Z * error for sign in (-1, 1))
    return Interval(value, max(-1.0, low), min(1.0, high))


def paired_p(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    optimism: float = 0.0,
) -> float | None:
    """Two-sided p-value of no difference: below 0.05 where `paired_difference` leaves out 0."""
    if len(set(clusters)) < 2:
        return None
    differences = np.subtract(np.asarray(first, dtype=np.float64), second)
    middle, error = _added_pairs(differences, clusters)
    return float(2 * ndtr(-abs(middle - optimism) / error))


def _added_pairs(differences: Floats, clusters: Sequence[Hashable]) -> tuple[float, float]:
    """Mean difference and its standard error, with one pair more of each kind of change."""
    size = effective_count(differences.tolist(), clusters, ends=(-1, 1))
    gains, losses = (float((sign * differences > 0).mean()) * size for sign in (1, -1))
    gain, loss = (gains + 1) / (size + 2), (losses + 1) / (size + 2)
    return gain - loss, math.sqrt((gain + loss - (gain - loss) ** 2) / (size + 2))


def independent_difference(first: Interval, second: Interval) -> Interval:
    """First − second of two independent samples, from the interval of each.

    MOVER (Zou & Donner 2008); of two Wilson intervals it is Newcombe's method 10 (1998).
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)


def sign_flip_test(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Hashable]
) -> float:
    """Exact two-sided p-value of no difference between two arms on the same rows.

    If the arms are equal, swapping them on all rows of a question changes nothing: the sum of
    first − second of each question is as likely positive as negative (Fisher 1935). All
    combinations of signs are counted, by the number of questions with each size of sum. Where no
    question repeats this is McNemar's exact test, which ignores that rows of a question agree.
    """
    from scipy.stats import binom  # 0.5 s

    differences = np.subtract(np.asarray(first, dtype=np.float64), second)
    sums, _ = cluster_sums(differences, clusters)
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    # chances of the total of the questions whose sum is positive, 0 … Σ sizes
    chances = np.ones(1)
    for size, count in zip(sizes.astype(int).tolist(), counts.tolist(), strict=True):
        of_size = np.zeros(size * count + 1)
        of_size[::size] = binom.pmf(np.arange(count + 1), count, 0.5)
        chances = np.convolve(chances, of_size).astype(np.float64)
    lopsided = int(np.abs(sums).sum() - abs(sums.sum())) // 2
    return min(1.0, 2 * float(chances[: lopsided + 1].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the same order."""
    values = np.array(p_values, dtype=np.float64)
    order = np.argsort(values)
    scaled = np.arange(len(values), 0, -1) * values[order]
    values[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    adjusted: list[float] = values.tolist()
    return adjusted
