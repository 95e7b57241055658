"""Simulated answers with correlated quality and a judge with errors, for tests of coverage."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

# As in the logs that the tool was made for: 174 answers to 158 questions, few asked twice.
SIZES = [1] * 143 + [2] * 14 + [3]
TIGHT = [4] * 43 + [2]  # 174 answers to 44 questions
TOGETHER = 0.6  # correlation of the answers to one question


class SampledAnswers(NamedTuple):
    """Answers [times, n] that are good with a given chance, and the judge's verdicts on them."""

    good: Bools
    passed: Bools
    clusters: list[int]


def flipped(good: Bools, tpr: float, tnr: float, random: np.random.Generator) -> Bools:
    """A judge's verdicts with independent errors."""
    return random.random(good.shape) < np.where(good, tpr, 1 - tnr)


def draw_answers(
    rate: float, tpr: float, tnr: float, sizes: list[int], times: int, seed: int = 0
) -> SampledAnswers:
    """Each answer is its question's with chance √0.6, its own otherwise: correlation 0.6."""
    random = np.random.default_rng(seed)
    index = np.repeat(np.arange(len(sizes)), sizes)
    own = random.random((times, len(index))) < rate
    shared = (random.random((times, len(sizes))) < rate)[:, index]
    good = np.where(random.random(own.shape) < TOGETHER**0.5, shared, own)
    return SampledAnswers(good, flipped(good, tpr, tnr, random), index.tolist())
