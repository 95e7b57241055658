"""A measure of a simulation by the naive formula and by ours."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from judge.metrics.interval import Interval

Bools = NDArray[np.bool_]

COVERED = "covered by the 95 % interval, %"


class SimulatedFigure(NamedTuple):
    """One measure of one simulation; shares in %, biases in points."""

    simulation: str
    measure: str
    wanted: str
    naive: float
    ours: float
    draws: int


class Tally:
    """Means over the draws of what the naive formula and ours give."""

    def __init__(self, simulation: str) -> None:
        self._simulation = simulation
        self._draws: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def add(self, measure: str, wanted: str, naive: float, ours: float) -> None:
        """One draw, as shares."""
        self._draws.setdefault((measure, wanted), []).append((naive, ours))

    def covers(self, truth: float, naive: Interval | None, ours: Interval | None) -> None:
        """Whether each interval holds the truth; one that is not stated holds nothing."""
        covered = (of is not None and of.low <= truth <= of.high for of in (naive, ours))
        self.add(COVERED, "95", *covered)

    def figures(self) -> Iterator[SimulatedFigure]:
        """The means of each measure."""
        for (measure, wanted), draws in self._draws.items():
            naive, ours = (100 * np.array(draws, dtype=np.float64)).mean(axis=0).tolist()
            yield SimulatedFigure(self._simulation, measure, wanted, naive, ours, len(draws))
