"""An estimate with its interval: as estimators return it, records store it, commands print it."""

from typing import NamedTuple

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Interval:
    """An estimate with its two-sided 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Measurement(Interval):
    """An interval with the number of observations behind it."""

    n: int


class Refusal(NamedTuple):
    """Why a quantity is not stated."""

    reason: str


def format_share(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A share in percent with its interval; `undecided` when there is none."""
    if value is None:
        return "undecided"
    return f"{value:.1%}" + ("" if low is None or high is None else f" [{low:.1%}, {high:.1%}]")


def format_difference(value: float, low: float | None = None, high: float | None = None) -> str:
    """A difference of shares in percentage points, with its interval."""
    ends = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f} points{ends}"
