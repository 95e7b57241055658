"""The tables of the hidden set: distribution shift, and why rates are not corrected."""

from collections.abc import Iterator
from dataclasses import dataclass

from judge.metrics.interval import Measurement
from judge.records import DistributionShift
from judge.summary.records import HiddenSummary
from report.formats import number, percent, signed_points


@dataclass(frozen=True)
class ShiftRow:
    """One measure on val and on the hidden set, as text."""

    of: str
    what: str
    val: str
    hidden: str
    n: tuple[int, int]  # observations of val and of hidden
    difference: str
    differs: bool  # beyond the 95 % interval


def uncorrected_reasons(hidden: HiddenSummary | None) -> dict[str, str]:
    """Reason why a rate of the hidden set is not corrected → its arms."""
    arms: dict[str, list[str]] = {}
    for name, arm in hidden.arms.items() if hidden else ():
        if arm.corrected.refused is not None:
            arms.setdefault(arm.corrected.refused, []).append(name)
    return {reason: " and ".join(names) for reason, names in arms.items()}


def build_shift_rows(hidden: HiddenSummary | None) -> Iterator[ShiftRow]:
    """Every measure but the strict scores; those that differ come first."""
    shifts = (hidden.shifts or ()) if hidden else ()
    for shift in sorted(shifts, key=lambda shift: not _differs(shift)):
        is_share = shift.what != "words"
        yield ShiftRow(
            of=shift.arm or "the rows",
            what=shift.what if is_share else f"{shift.what} per answer",
            val=_value(shift.val, is_share),
            hidden=_value(shift.hidden, is_share),
            n=(shift.val.n, shift.hidden.n),
            difference=shift_in_points(shift) if is_share else _words(shift),
            differs=_differs(shift),
        )


def shift_in_points(shift: DistributionShift) -> str:
    """The difference of a share in percentage points, with its interval."""
    return f"{signed_points(shift.difference)} {_interval(shift, 100)}"


def _words(shift: DistributionShift) -> str:
    return f"{shift.difference:+.1f} {_interval(shift, 1)}".replace("-", "−")


def _interval(shift: DistributionShift, scale: float) -> str:
    return f"[{scale * shift.low:.1f}, {scale * shift.high:.1f}]".replace("-", "−")


def _differs(shift: DistributionShift) -> bool:
    return shift.low > 0 or shift.high < 0


def _value(measured: Measurement, is_share: bool) -> str:
    return percent(measured.value) if is_share else number(measured.value, 1)
