"""By how much the best of several students looks better than it is on the rows that chose it.

Bootstrap bias correction (Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107): the
questions are resampled, a student is chosen on the resample by the rule that chose the best one,
and the questions left out score it. Needs only the scores of every student on every row. Where
each student is itself the best of several checkpoints, these are chosen on the resample too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from judge.metrics.stats import Floats

RESAMPLES = 2_000
_CHUNK = 200  # resamples drawn at once, which bounds the memory at a few MB per 1,000 questions

Indices = NDArray[np.intp]


class ScoreSums(NamedTuple):
    """Passes and decided rows of every student, summed by question."""

    passes: Floats  # [..., G]
    rows: Floats  # [..., G]

    def rates(self, weights: Floats) -> Floats:
        """Pass rates of resamples: weights [R, G] → [R, ...], NaN where no row is decided."""
        passes, rows = (np.tensordot(weights, sums, (1, -1)) for sums in self)
        with np.errstate(invalid="ignore"):
            rates: Floats = passes / rows
        return rates


class Criterion(NamedTuple):
    """What chooses one of M candidates: the highest mean over the cases.

    Of equals it is the one with the highest rate over all rows, then the first.
    """

    by_case: ScoreSums  # [C, M, G]
    overall: ScoreSums  # [M, G]

    def choose(self, weights: Floats, candidates: Sequence[Indices]) -> list[Indices]:
        """The chosen one of each group of candidates [R, K] on the resamples [R, G]: [R]."""
        by_case, overall = (sums.rates(weights) for sums in self)  # [R, C, M], [R, M]
        chosen = []
        for of_group in candidates:
            of_cases = np.take_along_axis(by_case, of_group[:, None], axis=2)
            place = _highest(of_cases, np.take_along_axis(overall, of_group, axis=1))
            chosen.append(np.take_along_axis(of_group, place[:, None], axis=1)[:, 0])
        return chosen


class CheckpointChoice(NamedTuple):
    """The choice of each student's checkpoint during its training, before that of the student."""

    criterion: Criterion  # on the rows of the evaluations
    checkpoints: Sequence[Sequence[int]]  # the candidates of each student


def choice_optimism(
    criterion: Criterion,
    scored: ScoreSums,
    best: int,
    seed: int,
    training: CheckpointChoice | None = None,
) -> float:
    """The share by which the chosen candidate's rate is too high, 0 … 1.

    `criterion` chooses one of M students, or, with `training`, of M checkpoints: first one of each
    student, then the student. `scored` [M, G] is the score to correct, and `best` the index of the
    candidate that was chosen on all questions.

    It is the mean over the resamples of (best candidate − the one chosen on the resample) on the
    questions left out. Without the first term, whose expectation is the best one's rate on all
    questions, the resamples would add noise where they always choose the same one.
    """
    random = np.random.default_rng(seed)
    groups = scored.rows.shape[-1]
    losses = []
    for _ in range(0, RESAMPLES, _CHUNK):
        drawn = random.multinomial(groups, np.full(groups, 1 / groups), size=_CHUNK)
        weights = drawn.astype(np.float64)
        candidates = _candidates(len(scored.rows), weights, training)
        (chosen,) = criterion.choose(weights, [candidates])
        left_out = scored.rates((drawn == 0).astype(np.float64))  # [R, M]
        losses.append(left_out[:, best] - left_out[np.arange(_CHUNK), chosen])
    loss = np.concatenate(losses)
    known = loss[~np.isnan(loss)]
    return max(0.0, float(known.mean())) if len(known) else 0.0


def _candidates(count: int, weights: Floats, training: CheckpointChoice | None) -> Indices:
    """The students of each resample, [R, K], each by the index of its checkpoint."""
    repeats = (len(weights), 1)
    if training is None:
        return np.tile(np.arange(count), repeats)
    of_students = [np.tile(np.array(indices), repeats) for indices in training.checkpoints]
    return np.stack(training.criterion.choose(weights, of_students), axis=1)


def _highest(by_case: Floats, overall: Floats) -> Indices:
    """The place of the best candidate of each resample: [R, C, K], [R, K] → [R]."""
    cases = ~np.isnan(by_case)
    counts = cases.sum(axis=1)
    means = np.where(counts > 0, np.nansum(by_case, axis=1) / np.maximum(counts, 1), -1.0)
    highest = means >= means.max(axis=1, keepdims=True) - 1e-12
    ranked = np.where(highest, np.nan_to_num(overall, nan=-1.0), -2.0)
    place: Indices = ranked.argmax(axis=1)  # the first of equals
    return place
