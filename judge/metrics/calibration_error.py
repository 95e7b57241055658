"""How far a judge's probabilities of a pass are from the share that passes."""

from collections.abc import Sequence

import numpy as np

from data.records import Record
from judge.metrics.stats import Floats

_BINS = 10
_RESAMPLES = 1_000


class CalibrationError(Record):
    """The expected calibration error of probabilities, a share 0 … 1."""

    n: int  # verdicts with a probability and a gold
    ece: float
    by_chance: float  # the mean error of as many verdicts whose probabilities are right


def calibration_error(
    probabilities: Sequence[float], gold: Sequence[bool], seed: int
) -> CalibrationError | None:
    """ECE over ten bins of equal width (Guo et al. 2017, ICML); None without verdicts.

    The error of few verdicts is above zero even where every probability is right, so it is stated
    beside the mean error of golds that are drawn with these probabilities.
    """
    if not probabilities:
        return None
    chances = np.array(probabilities, dtype=np.float64)
    random = np.random.default_rng(seed)
    drawn = (random.random((_RESAMPLES, len(chances))) < chances).astype(np.float64)
    return CalibrationError(
        n=len(chances),
        ece=float(_errors(chances, np.array([gold], dtype=np.float64))[0]),
        by_chance=float(_errors(chances, drawn).mean()),
    )


def _errors(chances: Floats, golds: Floats) -> Floats:
    """Σ over bins of the share of verdicts × |mean probability − share of passes|: [R, n] → [R]."""
    bins = np.minimum((chances * _BINS).astype(np.intp), _BINS - 1)
    in_bin = np.eye(_BINS)[bins]  # [n, bins]
    errors: Floats = np.abs((golds - chances) @ in_bin).sum(axis=1) / len(chances)
    return errors
