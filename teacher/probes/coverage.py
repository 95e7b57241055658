"""Coverage: how many training rows, logged ones and probes, each rule applies to."""

from collections import Counter
from collections.abc import Sequence

from data.records import Record
from data.rows import Row
from judge.checks.applicability import applicable, asks_model
from prompts.rules import RuleFile, ScoredRule


class RuleCoverage(Record):
    """The training rows of one rule."""

    logged: int | None  # rows that it applies to; None: only a model can tell
    probes: int | None
    unknown: int  # rows without the labels that the rule's condition needs


def scored_on(rule: ScoredRule, row: Row) -> bool | None:
    """Whether a rule, or its converse, is scored on the row.

    None: the row lacks the labels, or a model decides.
    """
    applies = None if asks_model(rule.rule) else applicable(rule.rule, row)
    return None if applies is None else applies != rule.converse


def coverage(rules: RuleFile, rows: Sequence[Row]) -> dict[str, RuleCoverage]:
    """The coverage of every scored rule by its id."""
    return {rule.id: _coverage(rule, rows) for rule in rules.scored_rules()}


def _coverage(rule: ScoredRule, rows: Sequence[Row]) -> RuleCoverage:
    if asks_model(rule.rule):
        return RuleCoverage(logged=None, probes=None, unknown=len(rows))
    counts = Counter((scored_on(rule, row), row.synthetic is not None) for row in rows)
    return RuleCoverage(
        logged=counts[True, False],
        probes=counts[True, True],
        unknown=counts[None, False] + counts[None, True],
    )
