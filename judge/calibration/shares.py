"""Shares with their intervals, and counted comparisons, as records."""

from collections.abc import Hashable, Sequence

from data.records import Record
from judge.metrics.interval import Interval
from judge.metrics.stats import rate


def share_of(values: Sequence[bool], clusters: Sequence[Hashable]) -> Interval | None:
    """Interval of what is true, clustered where clusters repeat; None of nothing."""
    return rate(values, clusters) if values else None


class BiasRate(Record):
    """How often what should not matter did."""

    n: int = 0  # comparisons of which both sides are decided
    count: int = 0  # of them, those of which the probe's name is true
    rate: Interval | None = None
    missing: int = 0  # comparisons with a side undecided
    not_run: str | None = None


def counted(values: Sequence[bool], clusters: Sequence[str], missing: int = 0) -> BiasRate:
    """The probe of these comparisons."""
    share = share_of(values, clusters)
    return BiasRate(n=len(values), count=sum(values), rate=share, missing=missing)
