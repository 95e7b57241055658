"""The heat maps: strict adherence by slice and arm, and the best student's rules by slice."""

from collections import defaultdict

from data.records import Record
from judge.metrics.interval import Measurement
from judge.records import StrictScore
from report.run_files import RunFiles

_DARKEST = (0x66, 0xAA, 0xD1)  # colour of rate 1; ink has a contrast of 6 on it


class SliceRow(Record):
    """The rows with one value of a field. A cell needs ten decided rows."""

    field: str
    value: str
    strict: dict[str, StrictScore]  # by arm
    rules: dict[str, Measurement]  # rates of the best student, by must-rule


class HeatMaps(Record):
    """Exploratory: many small groups, with no correction for multiple comparisons."""

    rows: tuple[SliceRow, ...]
    rules: tuple[str, ...]  # must-rules that the best student breaks on some row
    too_few: tuple[str, ...]  # of these, those with fewer than ten decided rows in every slice
    not_shown: int  # values of the fields with fewer than ten decided rows in every shown arm


def build_heat_maps(material: RunFiles) -> HeatMaps | None:
    """The slices of the shown arms; None where the rule file names no field."""
    if material.judged is None or not material.rules.slices:
        return None
    scores = material.judged.scores
    strict: dict[tuple[str, str], dict[str, StrictScore]] = defaultdict(dict)
    for cell in scores.slices:
        if cell.arm in material.arms:
            strict[cell.field, cell.value][cell.arm] = cell.strict
    rules: dict[tuple[str, str], dict[str, Measurement]] = defaultdict(dict)
    for rule_slice in material.summary.rule_slices:
        rules[rule_slice.field, rule_slice.value][rule_slice.rule] = rule_slice.rate
    rows = tuple(
        SliceRow(field=key[0], value=key[1], strict=by_arm, rules=rules[key])
        for key, by_arm in strict.items()
    )
    broken = _broken_rules(material)
    shown = {name for row in rows for name in row.rules}
    values = {(cell.field, cell.value) for cell in scores.slices}
    return HeatMaps(
        rows=rows,
        rules=tuple(name for name in broken if name in shown),
        too_few=tuple(name for name in broken if name not in shown),
        not_shown=scores.slices_hidden + len(values) - len(rows),
    )


def _broken_rules(material: RunFiles) -> list[str]:
    score = material.score(material.student or "")
    rules = score.rules if score else {}
    return [name for name, rule in rules.items() if rule.must and rule.passes < rule.scored]


def shade(rate: float) -> str:
    """The colour of a cell, from white for 0 to blue for 1: one hue, safe for colour-blindness."""
    mixed = (round(255 + (dark - 255) * rate) for dark in _DARKEST)
    return "#" + "".join(f"{part:02x}" for part in mixed)
