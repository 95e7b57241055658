"""On how many training rows each rule is due: logged ones, and probes."""

from collections.abc import Sequence

from data.records import Record
from data.rows import Row
from judge.checks.applicability import applicable, asks_model
from prompts.rules import RuleFile, ScoredRule


class RuleCoverage(Record):
    """The training rows of one rule."""

    logged: int | None  # it is due on; None: only a model can say
    probes: int | None
    unknown: int  # rows that nobody labelled, where the rule asks for labels


def due_on(due: ScoredRule, row: Row) -> bool | None:
    """Whether a rule is scored on the row; None where its labels are missing, or a model decides.

    An undue rule is scored where the rule itself does not apply.
    """
    applies = None if asks_model(due.rule) else applicable(due.rule, row)
    return None if applies is None else applies != due.converse


def coverage(rules: RuleFile, rows: Sequence[Row]) -> dict[str, RuleCoverage]:
    """The counts of every rule as it is scored."""
    return {due.id: _counts(due, rows) for due in rules.scored_rules()}


def _counts(due: ScoredRule, rows: Sequence[Row]) -> RuleCoverage:
    if asks_model(due.rule):
        return RuleCoverage(logged=None, probes=None, unknown=len(rows))
    found = [(due_on(due, row), row.synthetic is not None) for row in rows]
    return RuleCoverage(
        logged=found.count((True, False)),
        probes=found.count((True, True)),
        unknown=sum(on is None for on, _ in found),
    )
