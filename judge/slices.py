"""Rows by the value of a field, such as a tag: exploratory, and silent on few rows.

Knows which rows belong together and from how many on they say something; leaves the strict scores
to `judge.metrics.scores`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from config.errors import DataError
from data.rows import Row
from judge.metrics.stats import rate
from judge.metrics.verdict_table import VerdictTable
from judge.records import Measured, RuleSlice

SLICE_ROWS = 10  # decided rows from which a slice is shown


class Slice(NamedTuple):
    """The rows with one value of a field; a row with several labels is in several of them."""

    field: str
    value: str
    rows: frozenset[str]  # ids


def slices(fields: Sequence[str], rows: Sequence[Row]) -> list[Slice]:
    """The slices of each field in turn, by value. Raises DataError for what is no field."""
    found = []
    for field in fields:
        members: dict[str, set[str]] = {}
        for row in rows:
            for value in _values(field, row):
                members.setdefault(value, set()).add(row.id)
        found += [Slice(field, value, frozenset(ids)) for value, ids in sorted(members.items())]
    return found


def _values(field: str, row: Row) -> list[str]:
    if field.startswith("tags."):
        tag = row.tags.get(field.removeprefix("tags."))
        return [] if tag is None else [tag]
    if field == "labels":
        return list(row.labels or ())
    raise DataError(f"rule file: slices: {field!r} is no field to split by; use tags.… or labels")


def rule_slices(board: VerdictTable, rows: Sequence[Row], arm: str) -> Iterator[RuleSlice]:
    """The must-rules of one arm on every slice, where at least SLICE_ROWS answers are decided."""
    decided = {due.id: board.decided(arm, due.id) for due in board.rules.scored_rules() if due.must}
    for one in slices(board.rules.slices, rows):
        for rule, passed in decided.items():
            units = {unit: ok for unit, ok in passed.items() if unit[0] in one.rows}
            found = rate(list(units.values()), board.clusters(units))
            if found is not None and len(units) >= SLICE_ROWS:
                measured = Measured(n=len(units), **found._asdict())
                yield RuleSlice(field=one.field, value=one.value, rule=rule, rate=measured)
