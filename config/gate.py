"""What a gate asks of the best student."""

from typing import Annotated

from pydantic import Field, PositiveFloat

from config.base import Fraction, Settings


class GateSettings(Settings):
    """What the best student must reach on val for `judge gate` to pass; None: not asked."""

    strict_min: Fraction | None = None  # strict adherence
    gap_closed_min: PositiveFloat | None = None  # may ask for more than the teacher: above 1
    # δ: strict adherence that may be lost against the teacher, as a share, judged by the lower
    # one-sided 95 % bound of the difference
    not_worse_than_teacher: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_missing: Fraction | None = None  # share of missing strict scores; None: the judge's own
    calibrated: bool = False  # where a model decides a must-rule, a calibration must hold for it
