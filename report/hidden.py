"""The hidden set beside val: what can be decided on rows that nobody labelled.

Knows which numbers stand beside each other and when they may; leaves the measuring to the judge.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from data.records import Record
from judge.metrics.drift import distribution_shifts
from judge.metrics.interval import Measurement, Refusal
from judge.metrics.verdict_table import LABEL_FREE
from judge.records import DistributionShift, JudgeResult, StrictScore
from report.corrected import Corrected, corrected
from report.formats import number, percent, points
from report.gather import BASE, RunFiles

SCORE_HIDDEN = "python -m judge CONFIG score --split hidden"


class HiddenArm(Record):
    """The strict score over the must-rules that need no label, on both sets of rows."""

    val: StrictScore | None
    hidden: StrictScore
    drift: DistributionShift | None  # hidden − val; None where one of the two is undecided
    corrected: Corrected  # share of the answers to the hidden set that people would call good


class Hidden(Record):
    """The hidden set in short, as report.json keeps it."""

    calibrated: bool | None  # the language model that judged; None: code alone
    arms: dict[str, HiddenArm]
    drift: (
        tuple[DistributionShift, ...] | None
    )  # None: one of the two was not judged by the rules of today


def hidden_result(material: RunFiles) -> JudgeResult | Refusal:
    """What the judge said of the hidden set, or why it cannot stand beside val."""
    found, val = material.hidden_judged, material.judged
    if found is None:
        if material.config.data.hidden is None:
            return Refusal("the run has no hidden set")
        return Refusal("the hidden set has not been scored")
    if val is not None and found.scores.rules_sha256 != val.scores.rules_sha256:
        return Refusal("val and the hidden set were scored by different rules")
    return found


def hidden(material: RunFiles) -> Hidden | None:
    """The hidden set in short; None where it was not scored as val was."""
    found = hidden_result(material)
    if isinstance(found, Refusal):
        return None
    val = material.judged.scores.arms if material.judged else {}
    known, unseen = material.val, material.unseen
    drift = tuple(distribution_shifts(known, unseen)) if known and unseen else None
    strict = {one.arm: one for one in drift or () if one.what == LABEL_FREE}
    arms = {
        arm: HiddenArm(
            val=val[arm].label_free if arm in val else None,
            hidden=found.scores.arms[arm].label_free,
            drift=strict.get(arm),
            corrected=corrected(material.hidden_calibration, material.unseen, arm, LABEL_FREE),
        )
        for arm in (BASE, material.student)
        if arm is not None and arm in found.scores.arms
    }
    calibrated = found.judge.calibrated if found.judge else None
    return Hidden(calibrated=calibrated, arms=arms, drift=drift)


def raw(found: Hidden | None) -> dict[str, str]:
    """Why rates of the hidden set are not corrected → the arms of which this is so."""
    reasons: dict[str, list[str]] = {}
    for arm, one in found.arms.items() if found else ():
        if one.corrected.refused is not None:
            reasons.setdefault(one.corrected.refused, []).append(arm)
    return {why: " and ".join(arms) for why, arms in reasons.items()}


@dataclass(frozen=True)
class DriftRow:
    """One measure on both sets, as text."""

    of: str
    what: str
    val: str
    hidden: str
    n: tuple[int, int]  # observations of val and of hidden
    difference: str
    differs: bool  # beyond the 95 % interval


def drift_rows(found: Hidden | None) -> Iterator[DriftRow]:
    """Every measure but the strict scores; those that differ come first."""
    shown = [one for one in (found.drift or () if found else ()) if one.what != LABEL_FREE]
    for one in sorted(shown, key=lambda one: not _differs(one)):
        share = one.what != "words"
        yield DriftRow(
            of=one.arm or "the rows",
            what=f"{one.what} per answer" if not share else one.what,
            val=_value(one.val, share),
            hidden=_value(one.hidden, share),
            n=(one.val.n, one.hidden.n),
            difference=moved(one) if share else _words(one),
            differs=_differs(one),
        )


def moved(one: DistributionShift) -> str:
    """How far a share moved, in points, with the interval."""
    return f"{points(one.difference)} {_ends(one, 100)}"


def _words(one: DistributionShift) -> str:
    return f"{one.difference:+.1f} {_ends(one, 1)}".replace("-", "−")


def _ends(one: DistributionShift, scale: float) -> str:
    return f"[{scale * one.low:.1f}, {scale * one.high:.1f}]".replace("-", "−")


def _differs(one: DistributionShift) -> bool:
    return one.low > 0 or one.high < 0


def _value(one: Measurement, share: bool) -> str:
    return percent(one.value) if share else number(one.value, 1)
