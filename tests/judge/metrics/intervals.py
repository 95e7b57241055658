"""Intervals as plain numbers, for comparisons with pytest.approx."""

from judge.metrics.interval import Interval, Refusal


def as_tuple(estimate: Interval | Refusal | None) -> tuple[float, float, float]:
    """Value, low end, high end; fails where there is no interval."""
    assert isinstance(estimate, Interval), estimate
    return estimate.value, estimate.low, estimate.high
