"""An estimate with its interval, as the estimators return it and records store it."""

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
