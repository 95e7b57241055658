"""The time that the remaining stages of a run will take, from expected seconds per stage."""

from collections.abc import Callable, Mapping, Sequence


class TimeLeft:
    """Expected seconds of the stages, adjusted to the pace of those that are done."""

    def __init__(self, stages: Sequence[str], expected: Mapping[str, float]) -> None:
        """`expected`: seconds by stage name; a stage without an entry makes the rest unknown."""
        self._stages = tuple(stages)
        self._expected = dict(expected)
        self._estimate: Callable[[], Mapping[str, float]] | None = None
        self._planned = self._spent = 0.0  # seconds of the stages that have run

    def estimate_with(self, estimate: Callable[[], Mapping[str, float]]) -> None:
        """Sets what gives the expected seconds of the other stages, once and only when needed."""
        self._estimate = estimate

    def record(self, stage: str, seconds: float) -> None:
        """Notes that a stage has run."""
        if stage in self._expected:
            self._planned += self._expected[stage]
            self._spent += seconds

    def seconds(self, stage: str) -> float | None:
        """Seconds until the end of the run, at the beginning of `stage`; None: not known."""
        remaining = self._stages[self._stages.index(stage) :]
        if self._estimate is not None and not self._expected.keys() >= set(remaining):
            self._expected = {**self._estimate(), **self._expected}
            self._estimate = None
        if not all(name in self._expected for name in remaining):
            return None
        planned = sum(self._expected[name] for name in remaining)
        # One expected minute outweighs a pace that was measured on a few seconds.
        return planned * (self._spent + 60) / (self._planned + 60)

    def place(self, stage: str) -> str:
        """The stage's place in the run: "3 of 8, about 12 min left"."""
        place = f"{self._stages.index(stage) + 1} of {len(self._stages)}"
        seconds = self.seconds(stage)
        return place if seconds is None else f"{place}, {spoken_time(seconds)} left"


def spoken_time(seconds: float) -> str:
    """A rough duration for people: "about 12 min"."""
    if seconds < 60:
        return "less than a minute"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
