"""The case of a row, as the verdicts on its candidates tell it."""

from collections.abc import Iterable
from typing import NamedTuple

from judge.checks.cases import due_rules
from judge.verdict import Verdict
from prompts.rules import RuleFile


class RowCase(NamedTuple):
    """Which rules hold on a row. Where labels or the judge's replies are missing, nobody knows."""

    due: tuple[str, ...]  # conditional rules that are known to be due, in the file's order
    undue: frozenset[str]  # conditional rules that are known not to be due
    in_force: frozenset[str]  # rules that hold always or are known to apply


def row_case(rules: RuleFile, verdicts: Iterable[Verdict]) -> RowCase:
    """The case from the verdicts on any answers to the row."""
    known_last = sorted(verdicts, key=lambda verdict: verdict.outcome != "missing")
    outcomes = {verdict.rule: verdict.outcome for verdict in known_last}
    due = due_rules(rules, known_last)
    conditional = [rule.id for rule in rules.conditional_rules]
    return RowCase(
        due=due,
        undue=frozenset(rule for rule in conditional if outcomes.get(rule) == "not_applicable"),
        in_force=frozenset(
            rule.id
            for rule in rules.rules
            if rule.applies == "always" or rule.id in due or outcomes.get(rule.id) in _DECIDED
        ),
    )


_DECIDED = ("pass", "fail")
