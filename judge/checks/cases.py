"""The case of a row: which conditional rules are due on it, such as a refusal."""

from collections.abc import Iterable

from data.rows import Row
from judge.checks.applicability import applicable, asks_model
from judge.verdict import Verdict
from prompts.rules import RuleFile


def due_rules(rules: RuleFile, verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """The conditional rules that are known to be due, from the verdicts on any answer to the row.

    In the order of the rule file. A rule is due where it has a verdict and its converse has none.
    """
    outcomes = {verdict.rule: verdict.outcome for verdict in verdicts}
    return tuple(
        rule.id
        for rule in rules.conditional_rules
        if outcomes.get(rule.id, "not_applicable") != "not_applicable"
        and outcomes.get(f"{rule.id}_converse") == "not_applicable"
    )


def due_by_code(rules: RuleFile, row: Row) -> tuple[str, ...]:
    """The conditional rules that are due by the row's own fields, without any answer.

    In the order of the rule file. A rule whose condition a language model decides is left out, and
    so is one whose condition needs labels that the row lacks.
    """
    return tuple(
        rule.id
        for rule in rules.conditional_rules
        if not asks_model(rule) and applicable(rule, row)
    )
