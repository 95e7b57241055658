"""Estimators of an arm's true rate of good answers, and the non-inferiority test.

`corrected_rate` uses the judge's error rates, `powered_rate` and `powered_difference` few labels by
people, and `non_inferiority` shrinks its margin by the judge's errors. Pure functions of numbers:
the caller makes sure that calibration and verdicts come from one judge.
"""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from judge.metrics.agreement import Confusion, youden
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import (
    CONFIDENCE,
    Floats,
    cluster_mean,
    cluster_sums,
    effective_count,
    effective_size,
    rate,
    rule_of_three,
    wilson,
)

Labels = Sequence[bool | None]
Verdicts = Sequence[float | None]

MIN_J = 0.3  # below this the correction divides noise by almost nothing
POWER = 0.8
_Z = float(ndtri((1 + CONFIDENCE) / 2))


def corrected_rate(
    passed: Sequence[bool],
    clusters: Sequence[Hashable],
    calibration: Confusion,
    optimism: float = 0.0,
) -> Interval | Refusal:
    """θ = (p + TNR − 1)/J (Rogan & Gladen 1978) with its 95 % interval, both within 0 … 1.

    The interval of Lee et al. (arXiv 2511.21140, after Lang & Reiczigel 2014) also allows for the
    error of TPR and TNR. The verdicts count by their effective size where questions repeat; so must
    the calibration answers, see `effective_confusion`. `optimism` is a share by which the pass rate
    is too high, see `judge.metrics.optimism`.

    Refused when J < 0.3, with or without the interval's adjustment of the counts, when the
    calibration lacks passes or fails, and when the verdicts contradict it.
    """
    index = youden(calibration)
    if index is None:
        return Refusal("the judge was not calibrated on both passing and failing answers")
    adjusted = sum(_adjusted_rates(calibration)) - 1
    if min(index, adjusted) < MIN_J:
        return Refusal(
            f"J = {index:.2f} (TPR + TNR − 1) on {calibration.passes:.0f} good and "
            f"{calibration.fails:.0f} bad answers, {adjusted:.2f} adjusted for their number, is "
            f"below {MIN_J:g}: the score can hardly tell them apart"
        )
    if len(set(clusters)) < 2:
        return Refusal("fewer than two questions have a verdict")
    n = effective_count(passed, clusters)
    share = max(0.0, sum(passed) / len(passed) - optimism)
    low, high = _ends(share, n, calibration)
    if high < 0 or low > 1:
        return Refusal(
            f"the judge passes {share:.1%} of the answers, which its TPR and TNR do not allow: it "
            "was calibrated on other kinds of answers"
        )
    failed = calibration.true_fail / calibration.fails
    return Interval(_clipped((share + failed - 1) / index), _clipped(low), _clipped(high))


def _ends(share: float, n: float, calibration: Confusion) -> tuple[float, float]:
    """The unclipped ends of the interval; p is adjusted by z²/2 passes and fails."""
    p = (n * share + _Z**2 / 2) / (n + _Z**2)
    tpr, tnr = _adjusted_rates(calibration)
    tpr_variance = tpr * (1 - tpr) / (calibration.passes + 2)
    tnr_variance = tnr * (1 - tnr) / (calibration.fails + 2)
    index = tpr + tnr - 1
    theta = (p + tnr - 1) / index
    shift = 2 * _Z**2 * (theta * tpr_variance - (1 - theta) * tnr_variance)
    variance = p * (1 - p) / (n + _Z**2)
    variance += (1 - theta) ** 2 * tnr_variance + theta**2 * tpr_variance
    half = _Z * math.sqrt(variance) / index
    return theta + shift - half, theta + shift + half


def _adjusted_rates(counts: Confusion) -> tuple[float, float]:
    """TPR and TNR with one success and one failure added to each (Agresti & Coull 1998)."""
    return (counts.true_pass + 1) / (counts.passes + 2), (counts.true_fail + 1) / (counts.fails + 2)


def _clipped(share: float) -> float:
    return min(1.0, max(0.0, share))


class NonInferiority(NamedTuple):
    """The paired difference student − teacher against the margin."""

    difference: float
    low: float  # one-sided 95 % lower bound of the difference
    limit: float  # −δ·J, which the bound must exceed
    rows: int  # needed for 80 % power if the arms are equally good

    @property
    def holds(self) -> bool:
        """Whether the student is not worse by more than the margin."""
        return self.low > self.limit


def non_inferiority(
    student: Sequence[float],
    teacher: Sequence[float],
    clusters: Sequence[Hashable],
    margin: float,
    index: float = 1.0,
    optimism: float = 0.0,
) -> NonInferiority | Refusal:
    """The test on the same rows; `margin` δ > 0 is a share of good answers.

    `index` is the judge's J = TPR + TNR − 1, and 1 for code rules. An imperfect judge shrinks every
    true difference by the factor J (Rogan & Gladen 1978), so the margin shrinks likewise;
    otherwise too many worse students would pass. `optimism` is a share by which the student's
    rate is too high, see `judge.metrics.optimism`. Refused when J < 0.3, and below two
    questions.
    """
    if index < MIN_J:
        return Refusal(f"J = {index:.2f} is below {MIN_J:g}: the judge is too unreliable")
    differences = [a - b for a, b in zip(student, teacher, strict=True)]
    mean = cluster_mean(differences, clusters)
    if mean is None:
        return Refusal("fewer than two questions are scored in both arms")
    shrunk_margin = margin * index
    if mean.error == 0:
        # Zero observed variance is not zero variance: up to 3/G of the questions may differ.
        half = rule_of_three(mean.groups)
        rows = len(differences) / mean.groups * 3 / shrunk_margin
    else:
        half = mean.bound(CONFIDENCE)
        # n = ((z₀.₉₅ + z₀.₈)·σ/δ)²: Julious 2004 (Stat. Med. 23), at a true difference of 0. σ is
        # √n · the clustered error, so it includes the correlation of repeated questions.
        deviation = mean.error * math.sqrt(len(differences))
        rows = (float(ndtri(CONFIDENCE) + ndtri(POWER)) * deviation / shrunk_margin) ** 2
    value = mean.value - optimism
    return NonInferiority(value, value - half, -shrunk_margin, math.ceil(rows))


class PoweredRate(NamedTuple):
    """A rate with its 95 % interval, and the weight of the judge in it."""

    rate: Interval
    weight: float  # λ, 0 … 1; 0 uses only the people's labels
    optimism: float = 0.0  # that was taken off


class LabelledSample(NamedTuple):
    """An arm's labels by people and verdicts of the judge, by answer; None: there is none."""

    labels: Labels
    judged: Verdicts
    optimism: float = 0.0  # share by which the rate of the verdicts is too high


def powered_rate(sample: LabelledSample, clusters: Sequence[Hashable]) -> PoweredRate | None:
    """The mean label over all answers, from labels of some and verdicts of most.

    `clusters` holds the question of each answer.

    PPI++ (Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453): the people's mean, corrected by the
    judge's verdicts on the unlabelled answers. Valid for any judge as long as the labelled answers
    are a random sample; a poor judge merely gains nothing.

    θ = mean(Y) + λ·(mean of f over the unlabelled − mean of f over the labelled), its variance
    var(Y − λf)/n + λ²·var(f)/N plus the covariance of answers to one question. The interval is
    Wilson's at the effective number of labels: the paper's normal one, θ ± z·error, covers 90 %
    with 50 labels at a rate of 93 %. A missing verdict counts as the mean verdict, which causes no
    bias: f may be any function of an answer.

    λ = 0, the people's labels alone, where they all agree or no answer is unlabelled. None below
    two labelled questions.

    Verdicts that chose the arm are too high by `sample.optimism`, see `judge.metrics.optimism`. The
    labels are too high by that times their slope on the verdicts, cov(Y, f)/var(f), and so is θ,
    whatever λ is.
    """
    estimate = _power(sample, clusters)
    if estimate is None:
        return None
    return PoweredRate(estimate.rate, estimate.weight, estimate.optimism)


def powered_difference(
    first: LabelledSample, second: LabelledSample, clusters: Sequence[Hashable]
) -> Interval | None:
    """The mean label of the first arm − that of the second, on the same rows: PPI++ of each.

    Both arms and `clusters` are by row. The labels of either arm must be a random sample of the
    rows, each its own or both the same one; the same rows make the interval narrower. Valid
    however the judge errs on either arm.

    MOVER of the two intervals of `powered_rate` with their correlation (Newcombe 1998, Stat. Med.
    17, method 10; Zou & Donner 2008). One more labelled row of each kind of change is counted in
    the correlation, as Bonett and Price do: two arms with equal labels leave a width. None where
    either arm has fewer than two labelled questions.
    """
    a, b = (_power(arm, clusters) for arm in (first, second))
    if a is None or b is None:
        return None
    sums, _ = cluster_sums(np.array([a.influence, b.influence]), clusters)  # [2, G]
    # A pass deviates from a rate of one half by ½; the two kinds of change by that in both arms.
    change = 2 * (0.5 / a.labelled) * (0.5 / b.labelled)
    covariance = float(sums[0] @ sums[1]) - change
    variances = [
        float(of_arm @ of_arm) + 2 * (0.5 / arm.labelled) ** 2
        for of_arm, arm in zip(sums, (a, b), strict=True)
    ]
    correlation = covariance / math.sqrt(variances[0] * variances[1])
    value = a.rate.value - b.rate.value
    below, above = (
        math.sqrt(x * x + y * y - 2 * correlation * x * y)
        for x, y in (
            (a.rate.value - a.rate.low, b.rate.high - b.rate.value),
            (a.rate.high - a.rate.value, b.rate.value - b.rate.low),
        )
    )
    return Interval(value, max(-1.0, value - below), min(1.0, value + above))


class _Powered(NamedTuple):
    """A powered rate, and how it depends on each answer."""

    rate: Interval
    weight: float
    influence: Floats  # [answers]; its squared sums by cluster are the variance of the rate
    labelled: int  # answers
    optimism: float  # that was taken off the rate


def _power(sample: LabelledSample, clusters: Sequence[Hashable]) -> _Powered | None:
    """PPI++ as `powered_rate` describes it."""
    labelled = np.array([label is not None for label in sample.labels], dtype=bool)
    pairs = [(bool(y), g) for y, g in zip(sample.labels, clusters, strict=True) if y is not None]
    good, questions = [y for y, _ in pairs], [g for _, g in pairs]
    if len(set(questions)) < 2:
        return None
    y = np.array(good, dtype=np.float64)
    f = np.array(sample.judged, dtype=np.float64)  # None → NaN
    undecided = np.isnan(f)
    f[undecided] = 0.0 if undecided.all() else f[~undecided].mean()
    optimism = sample.optimism * _slope(y, f[labelled], float(f[labelled].var(ddof=1)))
    influence = np.zeros(len(labelled))
    if labelled.all() or len(set(good)) == 1:
        labels_only = rate(good, questions, optimism)
        influence[labelled] = _deviations(y)
        assert labels_only is not None  # there are labels
        return _Powered(labels_only, 0.0, influence, len(good), optimism)
    weight = _slope(y, f[labelled], float(f.var(ddof=1))) * float(np.mean(~labelled))
    value = float(y.mean() + weight * (f[~labelled].mean() - f[labelled].mean())) - optimism
    influence[labelled] = _deviations(y - weight * f[labelled])
    influence[~labelled] = _deviations(weight * f[~labelled])
    sums, _ = cluster_sums(influence, clusters)
    # The judge is never worth more than labels on every answer.
    size = effective_size(float(y.var()), float(sums @ sums), float(len(f)))
    interval = wilson(_clipped(value) * size, size)
    assert interval is not None  # the size is above 0
    return _Powered(interval, weight, influence, len(good), optimism)


def _slope(y: Floats, f: Floats, variance: float) -> float:
    """cov(Y, f)/var(f), 0 … 1."""
    return _clipped(float(np.cov(y, f, ddof=1)[0, 1]) / variance) if variance else 0.0


def _deviations(values: Floats) -> Floats:
    """Deviations from the mean, scaled so that their squares sum to s²/n: the mean's variance."""
    n = len(values)
    scaled: Floats = (values - values.mean()) / math.sqrt(n * max(1, n - 1))
    return scaled
