"""Whether one arm is not worse than another by more than a margin, and how many rows decide it."""

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from scipy.stats import norm

from judge.calibration.corrected import MIN_J
from judge.metrics.interval import Refusal
from judge.metrics.stats import CONFIDENCE, cluster_mean, rule_of_three

POWER = 0.8


class NonInferiority(NamedTuple):
    """The paired difference student − teacher against the margin."""

    difference: float
    low: float  # lower one-sided 95 % bound of the difference
    limit: float  # −δ·J: what the bound has to stay above
    rows: int  # that show it with 80 % power if the arms are equally good

    @property
    def holds(self) -> bool:
        """Whether the student is shown not to be worse by more than the margin."""
        return self.low > self.limit


def non_inferiority(
    student: Sequence[float],
    teacher: Sequence[float],
    clusters: Sequence[Hashable],
    margin: float,
    index: float = 1.0,
) -> NonInferiority | Refusal:
    """The test over the same rows; `margin` δ > 0 is a share, in true quality.

    `index` is the judge's J = TPR + TNR − 1, 1 for rules in code: a judge that errs shrinks every
    true difference to J of it (Rogan & Gladen 1978), and so must the margin shrink, or a student
    that is worse by more passes too often. Refused when J < 0.3, and below two questions.
    """
    if margin <= 0:
        raise ValueError(f"margin = {margin:g} must be above 0")
    if index < MIN_J:
        return Refusal(f"J = {index:.2f} is below {MIN_J:g}: the judge knows too little")
    gained = [a - b for a, b in zip(student, teacher, strict=True)]
    found = cluster_mean(gained, clusters)
    if found is None:
        return Refusal("fewer than two questions are scored in both arms")
    shrunk = margin * index
    if found.error == 0:  # no spread seen is not none: a row may differ in up to 3/G questions
        off = rule_of_three(found.groups)
        rows = len(gained) / found.groups * 3 / shrunk
    else:
        off = found.bound(CONFIDENCE)
        rows = _rows(found.error * math.sqrt(len(gained)), shrunk)
    return NonInferiority(found.value, found.value - off, -shrunk, math.ceil(rows))


def _rows(deviation: float, margin: float) -> float:
    """n = ((z₀.₉₅ + z₀.₈)·σ/δ)²: Julious 2004 (Stat. Med. 23), at a true difference of 0.

    `deviation` is √n · the clustered error: what one row adds, its question's repeats included.
    """
    quantiles = float(norm.ppf(CONFIDENCE) + norm.ppf(POWER))
    return (quantiles * deviation / margin) ** 2
