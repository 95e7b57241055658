"""From verdicts to scores: rates with intervals and bounds, comparisons, gap closed, slices.

Leaves the mathematics to `judge.metrics.stats` and single verdicts to checks and judge. A missing
verdict is counted and bounded, never taken for a fail or a pass.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from config.errors import DataError
from data.rows import Row
from judge.metrics.interval import Estimate
from judge.metrics.paired import comparisons, gaps
from judge.metrics.stats import rate, rule_of_three
from judge.metrics.verdict_table import (
    DECIDABLE,
    STRICT,
    AnswerKey,
    VerdictTable,
    build_verdict_table,
)
from judge.records import (
    ArmScore,
    ReferenceScore,
    RuleScore,
    RuleSlice,
    Scores,
    SliceScore,
    StrictScore,
)
from judge.verdict import Missing, Verdict
from prompts.rules import RuleFile, ScoredRule, rules_sha256

SLICE_ROWS = 10  # decided rows from which a slice is shown


class Slice(NamedTuple):
    """The rows with one value of a field; a row with several labels is in several of them."""

    field: str
    value: str
    rows: frozenset[str]  # ids


def score(
    rules: RuleFile,
    rows: Sequence[Row],
    verdicts: Iterable[Verdict],
    references: Mapping[str, ReferenceScore] | None = None,
    seed: int = 0,
) -> Scores:
    """The scores of every arm that has verdicts, with its reference metrics where there are any.

    Raises DataError when a verdict names a row or rule that is not there, or a slice no field.
    """
    board = build_verdict_table(rules, rows, verdicts)
    every = slices(rules.slices, rows)
    shown = tuple(one for one in _slices(board, every) if one.strict.n >= SLICE_ROWS)
    return Scores(
        rules_sha256=rules_sha256(rules),
        rows=len(rows),
        arms={arm: _arm(board, arm, (references or {}).get(arm)) for arm in board.verdicts},
        comparisons=tuple(comparisons(board)),
        gaps=tuple(gaps(board, seed)),
        slices=shown,
        slices_hidden=len(every) - len({(one.field, one.value) for one in shown}),
    )


def _arm(board: VerdictTable, arm: str, reference: ReferenceScore | None) -> ArmScore:
    return ArmScore(
        strict=strict_score(board, arm, board.strict[arm]),
        decidable=strict_score(board, arm, board.strict[arm], DECIDABLE),
        rules={due.id: _rule(board, arm, due) for due in board.rules.scored_rules()},
        reference=reference,
    )


def _rule(board: VerdictTable, arm: str, due: ScoredRule) -> RuleScore:
    decided = board.decided(arm, due.id)
    missing: Counter[Missing] = Counter(
        by_rule[due.id].reason or "not_run"
        for by_rule in board.verdicts[arm].values()
        if by_rule[due.id].outcome == "missing"
    )
    interval = rate(list(decided.values()), board.clusters(decided))
    passes, absent = sum(decided.values()), missing.total()
    low_bound, high_bound = _bounds(passes, len(decided), absent)
    flawless = bool(decided) and passes == len(decided)
    return RuleScore(
        must=due.must,
        applicable=len(decided) + absent,
        scored=len(decided),
        passes=passes,
        missing=dict(missing),
        rate=interval.value if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        low_bound=low_bound,
        high_bound=high_bound,
        failures_at_most=rule_of_three(len(set(board.clusters(decided)))) if flawless else None,
    )


def strict_score(
    board: VerdictTable, arm: str, units: Collection[AnswerKey], what: str = STRICT
) -> StrictScore:
    """The strict score (STRICT or DECIDABLE) of an arm on some of its answers."""
    of_arm = board.decided(arm, what)
    decided = {unit: of_arm[unit] for unit in units if unit in of_arm}
    interval = rate(list(decided.values()), board.clusters(decided))
    missing = len(units) - len(decided)
    low_bound, high_bound = _bounds(sum(decided.values()), len(decided), missing)
    return StrictScore(
        rate=interval.value if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(decided),
        missing=missing,
        low_bound=low_bound,
        high_bound=high_bound,
    )


def _bounds(passes: int, scored: int, missing: int) -> tuple[float | None, float | None]:
    """The rate if all missing verdicts failed, and if all passed."""
    due = scored + missing
    return (passes / due, (passes + missing) / due) if due else (None, None)


def _slices(board: VerdictTable, every: Sequence[Slice]) -> Iterator[SliceScore]:
    for one in every:
        for arm, units in board.verdicts.items():
            inside = [unit for unit in units if unit[0] in one.rows]
            found = strict_score(board, arm, inside)
            yield SliceScore(arm=arm, field=one.field, value=one.value, strict=found)


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
                measured = Estimate(**asdict(found), n=len(units))
                yield RuleSlice(field=one.field, value=one.value, rule=rule, rate=measured)
