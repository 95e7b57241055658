"""Intervals and tests of rates and paired differences: pure functions of numbers.

Knows nothing of rules and arms. A quantity that the numbers do not decide is None, never zero.
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
RESAMPLES = 10_000
_CHUNK = 500  # resamples drawn at a time: bounds the memory at a few MB

Floats = NDArray[np.float64]


def wilson(passes: float, n: float) -> Interval | None:
    """Wilson's score interval of a rate (Wilson 1927); None without observations.

    The counts may be effective ones, and so no whole numbers.
    """
    if n == 0:
        return None
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    rate = passes / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # At 0 and n the ends are exactly 0 and 1; rounding would put them just beside.
    low = 0.0 if passes == 0 else middle - half
    high = 1.0 if passes == n else middle + half
    return Interval(rate, low, high)


def rule_of_three(n: int) -> float:
    """One-sided 95 % upper bound of a rate of which none of `n` were seen (Hanley 1983)."""
    return min(1.0, 3 / n) if n else 1.0


class ClusterMean(NamedTuple):
    """A mean whose error allows for values of one cluster moving together."""

    value: float
    error: float  # standard error
    groups: int  # clusters, at least 2

    def bound(self, confidence: float) -> float:
        """How far the mean may be off on one side: Student's t of groups − 1 degrees × error."""
        return _t(confidence, self.groups - 1) * self.error


@lru_cache(maxsize=256)  # scipy takes a hundred times as long as the rest of an interval
def _t(confidence: float, degrees: int) -> float:
    return float(t.ppf(confidence, degrees))


def cluster_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> ClusterMean | None:
    """Mean with a cluster-robust standard error, G/(G−1)-corrected; None below two clusters.

    Miller 2024, arXiv 2411.00640, section 2.2.
    """
    sums, sizes = by_cluster(np.asarray(values, dtype=np.float64), clusters)
    count = len(sizes)
    if count < 2:
        return None
    n = float(sizes.sum())
    mean = float(sums.sum() / n)
    residuals = sums - mean * sizes
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / n
    return ClusterMean(mean, error, count)


def clustered(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval | None:
    """The mean and its two-sided interval by `cluster_mean`."""
    found = cluster_mean(values, clusters)
    if found is None:
        return None
    half = found.bound((1 + CONFIDENCE) / 2)
    return Interval(found.value, found.value - half, found.value + half)


def by_cluster(values: Floats, clusters: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Sum (of the last axis) and size per cluster: values [..., n] → [..., G], [G]."""
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(key, len(numbers)) for key in clusters], dtype=np.intp)
    sums = np.zeros((len(numbers), *values.shape[:-1]))
    np.add.at(sums, index, values.T)
    return sums.T, np.bincount(index, minlength=len(numbers)).astype(np.float64)


def rate(values: Sequence[bool], clusters: Sequence[Hashable]) -> Interval | None:
    """A pass rate: Wilson's interval, or the clustered one where questions repeat.

    Repeated questions that all agree show no spread: Wilson's interval then counts questions.
    """
    groups = len(set(clusters))
    if groups == len(values):
        return wilson(sum(values), len(values))
    found = clustered([float(value) for value in values], clusters)
    if found is None or found.low == found.high:
        every = all(values)
        if every or not any(values):
            return wilson(groups if every else 0, groups)
        # One question, or questions that split alike: as few as there are questions.
        return _wilson_of_share(sum(values) / len(values), groups)
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high))


def _wilson_of_share(share: float, groups: int) -> Interval:
    ends = [
        wilson(whole, groups) for whole in (math.floor(share * groups), math.ceil(share * groups))
    ]
    lows, highs = [end.low for end in ends if end], [end.high for end in ends if end]
    return Interval(share, min(lows), max(highs))


def paired(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable]
) -> Interval | None:
    """Mean of first − second over the same rows, with the clustered interval."""
    return clustered([a - b for a, b in zip(first, second, strict=True)], clusters)


def independent(first: Interval, second: Interval) -> Interval:
    """First − second of two samples that share nothing, from the interval of each.

    MOVER (Zou & Donner 2008); of two Wilson intervals it is Newcombe's method 10 (1998).
    """
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, value - below, value + above)


def mcnemar(better: int, worse: int) -> float:
    """Exact two-sided p that rows change in either direction alike (McNemar 1947).

    `better` and `worse` count the rows on which just one of the two arms passes.
    """
    n = better + worse
    tail = sum(math.comb(n, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / (1 << n))  # whole numbers until here: exact at any n


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being many (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def gap_closed(
    student: Sequence[float],
    teacher: Sequence[float],
    base: Sequence[float],
    clusters: Sequence[Hashable],
    seed: int,
) -> Interval | Refusal:
    """(student − base) / (teacher − base) over the same rows, with a bootstrap over clusters.

    Refused when the teacher is not clearly above the base: the ratio would be noise.
    """
    gain = paired(teacher, base, clusters)
    if gain is None:
        return Refusal("fewer than two questions are scored in all three arms")
    if gain.low <= 0:
        return Refusal(
            f"teacher − base = {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] is not "
            "clearly above zero"
        )
    arms = np.asarray([student, teacher, base], dtype=np.float64)  # [3, n]
    sums, _ = by_cluster(arms, clusters)  # [3, G]; the sizes cancel in the ratio
    ratios = _resampled_ratios(sums[0] - sums[2], sums[1] - sums[2], seed)
    low = float(np.quantile(ratios, (1 - CONFIDENCE) / 2, method="lower"))
    high = float(np.quantile(ratios, (1 + CONFIDENCE) / 2, method="higher"))
    if math.isinf(low) or math.isinf(high):
        return Refusal("teacher − base is too near zero to bound the ratio")
    value = (sums[0] - sums[2]).sum() / (sums[1] - sums[2]).sum()
    return Interval(float(value), low, high)


def _resampled_ratios(above: Floats, below: Floats, seed: int) -> Floats:
    """Σ above / Σ below over resampled clusters: [G], [G] → [RESAMPLES].

    Where a resample has no gap to close, the ratio counts as ±∞ and not as absent: leaving it out
    would make the interval too narrow.
    """
    random = np.random.default_rng(seed)
    count = len(above)
    ratios = []
    for _ in range(0, RESAMPLES, _CHUNK):
        times = random.multinomial(count, np.full(count, 1 / count), size=_CHUNK)
        over, under = times @ above, times @ below
        infinite = np.where(over > 0, np.inf, -np.inf)
        ratios.append(np.where(under > 0, over / np.where(under > 0, under, 1.0), infinite))
    return np.concatenate(ratios)
