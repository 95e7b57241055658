"""The rate of good answers from few labels by people and the judge's verdicts on all answers.

PPI++ (Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453): what people said, corrected by how the
judge sees the unlabelled answers. Holds whatever the judge is worth, as long as the labelled
answers were drawn at random; a poor judge only wins nothing.
"""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from judge.metrics.interval import Interval
from judge.metrics.stats import Floats, by_cluster, rate, wilson


class Powered(NamedTuple):
    """A rate with its 95 % interval, and how much of the judge went into it."""

    rate: Interval
    weight: float  # λ, 0 … 1: 0 is the people's labels alone


def powered_rate(
    labels: Sequence[bool | None], judged: Sequence[float | None], clusters: Sequence[Hashable]
) -> Powered | None:
    """The mean label over all answers; answer by answer: label or None, verdict or None, question.

    θ = mean(Y) + λ·(mean of f over the unlabelled − mean of f over the labelled), its variance
    var(Y − λf)/n + λ²·var(f)/N plus what answers to one question share. The interval is Wilson's
    with as many labels as would have that variance alone: the paper's normal one, θ ± z·error,
    covers 90 % where 50 labels meet a rate of 93 %. A missing verdict counts as the mean one: f
    may be any function of an answer, so this biases nothing.

    People's labels alone (λ = 0) where they all agree or leave nothing unlabelled. None below two
    labelled questions.
    """
    has = np.array([label is not None for label in labels], dtype=bool)
    marked = [(bool(y), g) for y, g in zip(labels, clusters, strict=True) if y is not None]
    good, questions = [y for y, _ in marked], [g for _, g in marked]
    alone = rate(good, questions)
    if alone is None or len(set(questions)) < 2:
        return None
    f = _filled(judged)
    if has.all() or len(set(good)) == 1:
        return Powered(alone, 0.0)
    y = np.array(good, dtype=np.float64)
    weight = _weight(y, f[has], f)
    value = float(y.mean() + weight * (f[~has].mean() - f[has].mean()))
    influence = np.zeros(len(f))
    influence[has] = _deviations(y - weight * f[has])
    influence[~has] = _deviations(weight * f[~has])
    sums, _ = by_cluster(influence, clusters)
    variance = float(sums @ sums)
    most = float(len(f))  # the judge is never worth more than labels on every answer
    worth = min(most, float(y.var()) / variance) if variance else most
    found = wilson(min(1.0, max(0.0, value)) * worth, worth)
    return None if found is None else Powered(found, weight)


def _filled(judged: Sequence[float | None]) -> Floats:
    known = [verdict for verdict in judged if verdict is not None]
    middle = sum(known) / len(known) if known else 0.0
    return np.array([middle if one is None else one for one in judged], dtype=np.float64)


def _weight(y: Floats, f: Floats, everywhere: Floats) -> float:
    """λ = cov(Y, f) / ((1 + n/N)·var(f)), the variance over all answers; kept within 0 … 1."""
    spread = float(everywhere.var(ddof=1))
    if spread == 0:
        return 0.0
    together = float(np.cov(y, f, ddof=1)[0, 1])
    return min(1.0, max(0.0, together / ((1 + len(y) / (len(everywhere) - len(y))) * spread)))


def _deviations(values: Floats) -> Floats:
    """Deviations from the mean, scaled so that their squares sum to s²/n: the mean's variance."""
    n = len(values)
    scaled: Floats = (values - values.mean()) / math.sqrt(n * max(1, n - 1))
    return scaled
