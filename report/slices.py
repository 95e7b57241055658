"""Where the rates come from: strict adherence by slice and arm, and the student's rules by slice.

Knows which slices stand in the heat maps and their colours; leaves the measuring to the judge.
"""

from data.records import Record
from judge.metrics.interval import Measurement
from judge.metrics.scores import rule_slices
from judge.records import StrictScore
from report.gather import RunFiles

_DARKEST = (0x66, 0xAA, 0xD1)  # of a rate of 1; the ink keeps a contrast of 6 on it


class SliceRow(Record):
    """The rows with one value of a field."""

    field: str
    value: str
    strict: dict[str, StrictScore]  # arm → its score; arms with fewer than ten decided rows are out
    rules: dict[str, Measurement]  # the same of the best student, by must-rule


class Slices(Record):
    """Exploratory: many small groups, with no correction for looking at many."""

    rows: tuple[SliceRow, ...]
    rules: tuple[str, ...]  # must-rules that the best student breaks on some row
    too_few: tuple[str, ...]  # likewise, with fewer than ten decided rows in every slice
    not_shown: int  # values of the fields with fewer than ten decided rows in every arm shown


def slices(material: RunFiles) -> Slices | None:
    """The slices of the arms that are shown; None where the rule file names no field."""
    if material.judged is None or not material.rules.slices:
        return None
    scores = material.judged.scores
    strict: dict[tuple[str, str], dict[str, StrictScore]] = {}
    every = {(one.field, one.value) for one in scores.slices}
    for one in scores.slices:
        if one.arm in material.arms:
            strict.setdefault((one.field, one.value), {})[one.arm] = one.strict
    rules = _rules(material)
    rows = tuple(
        SliceRow(field=field, value=value, strict=found, rules=rules.get((field, value), {}))
        for (field, value), found in strict.items()
    )
    broken = _broken(material)
    there = {name for row in rows for name in row.rules}
    return Slices(
        rows=rows,
        rules=tuple(name for name in broken if name in there),
        too_few=tuple(name for name in broken if name not in there),
        not_shown=scores.slices_hidden + len(every) - len(rows),
    )


def _broken(material: RunFiles) -> list[str]:
    """The must-rules that the best student breaks on some row."""
    arm = material.student
    scores = material.judged.scores.arms if material.judged else {}
    rules = scores[arm].rules if arm in scores else {}
    return [name for name, one in rules.items() if one.must and one.passes < one.scored]


def _rules(material: RunFiles) -> dict[tuple[str, str], dict[str, Measurement]]:
    """(field, value) → must-rule → the best student's rate."""
    side, arm = material.val, material.student
    found: dict[tuple[str, str], dict[str, Measurement]] = {}
    if side is not None and arm in side.table.verdicts:
        for one in rule_slices(side.table, side.rows, arm):
            found.setdefault((one.field, one.value), {})[one.rule] = one.rate
    return found


def shade(rate: float) -> str:
    """The colour of a cell: from white for 0 to blue for 1, one hue for every kind of eye."""
    mixed = (round(255 + (dark - 255) * rate) for dark in _DARKEST)
    return "#" + "".join(f"{part:02x}" for part in mixed)
