"""The rate of good answers behind the verdicts of a judge whose error rates are known.

Knows formulas alone; whether calibration and verdicts are of one judge is for the caller to see.
"""

import math
from collections.abc import Hashable, Sequence

from scipy.stats import norm

from judge.metrics.agreement import Confusion, youden
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import CONFIDENCE, cluster_mean

MIN_J = 0.3  # below it the correction divides noise by next to nothing
_Z = float(norm.ppf((1 + CONFIDENCE) / 2))


def corrected_rate(
    passed: Sequence[bool], clusters: Sequence[Hashable], calibration: Confusion
) -> Interval | Refusal:
    """θ = (p + TNR − 1)/J (Rogan & Gladen 1978) with its 95 % interval, both within 0 … 1.

    The interval is that of Lee et al. (arXiv 2511.21140, after Lang & Reiczigel 2014), which allows
    for the error of TPR and TNR too, with the verdicts counted as the effective number that
    repeated questions leave of them. The calibration answers are taken as independent.

    Refused when J < 0.3, with or without the interval's adjustment of the counts, when the
    calibration lacks passes or fails, and when the verdicts contradict it.
    """
    index = youden(calibration)
    if index is None:
        return Refusal("the judge was not calibrated on both passing and failing answers")
    tpr = _Adjusted(calibration.true_pass, calibration.passes)
    tnr = _Adjusted(calibration.true_fail, calibration.fails)
    adjusted = tpr.rate + tnr.rate - 1
    if min(index, adjusted) < MIN_J:
        return Refusal(
            f"J = {index:.2f} (TPR + TNR − 1) on {calibration.passes} good and "
            f"{calibration.fails} bad answers, {adjusted:.2f} adjusted for their number, is below "
            f"{MIN_J:g}: the score hardly tells one from the other"
        )
    n = effective_number(passed, clusters)
    if n is None:
        return Refusal("fewer than two questions have a verdict")
    share = sum(passed) / len(passed)
    low, high = _ends(share, n, tpr, tnr)
    if high < 0 or low > 1:
        return Refusal(
            f"the judge passes {share:.1%} of the answers, which its TPR and TNR do not allow: it "
            "was calibrated on other kinds of answers"
        )
    failed = calibration.true_fail / calibration.fails
    return Interval(_clipped((share + failed - 1) / index), _clipped(low), _clipped(high))


class _Adjusted:
    """A rate of the calibration with one success and one failure added (Agresti & Coull 1998)."""

    def __init__(self, hits: int, n: int) -> None:
        self.rate = (hits + 1) / (n + 2)
        self.variance = self.rate * (1 - self.rate) / (n + 2)


def _ends(share: float, n: float, tpr: _Adjusted, tnr: _Adjusted) -> tuple[float, float]:
    """Ends of the interval of Lee et al., not clipped; to p, z²/2 of passes and fails are added."""
    p = (n * share + _Z**2 / 2) / (n + _Z**2)
    index = tpr.rate + tnr.rate - 1
    theta = (p + tnr.rate - 1) / index
    shift = 2 * _Z**2 * (theta * tpr.variance - (1 - theta) * tnr.variance)
    variance = p * (1 - p) / (n + _Z**2)
    variance += (1 - theta) ** 2 * tnr.variance + theta**2 * tpr.variance
    half = _Z * math.sqrt(variance) / index
    return theta + shift - half, theta + shift + half


def effective_number(passed: Sequence[bool], clusters: Sequence[Hashable]) -> float | None:
    """As many independent verdicts as have the clustered variance of these (Kish 1965).

    Never more than there are; the number of clusters where the verdicts show no spread between
    them. None below two clusters.
    """
    found = cluster_mean([float(one) for one in passed], clusters)
    if found is None:
        return None
    if found.groups == len(passed):  # nothing repeats: no design effect to estimate
        return float(len(passed))
    if found.error == 0:
        return float(found.groups)
    return min(float(len(passed)), found.value * (1 - found.value) / found.error**2)


def _clipped(share: float) -> float:
    return min(1.0, max(0.0, share))
