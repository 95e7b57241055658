"""Conditions of rules that hold on no row, mostly because of a misspelt label or pattern."""

from collections import Counter
from collections.abc import Sequence

from data.rows import Row
from judge.checks.applicability import applicable, condition_holds
from prompts.rules import Condition, RuleFile, When

_SHOWN = 5  # values of a field in a line


def unmatched_conditions(rules: RuleFile, rows: Sequence[Row]) -> dict[str, str]:
    """Rule → a line on the condition that holds on none of the rows, with the values there are.

    Rules with conditions that are decided in code alone. A row without the labels that a condition
    needs counts as one on which it does not hold, and is named.
    """
    lines = {}
    for rule in rules.rules:
        if not isinstance(rule.applies, When) or not rule.applies.code:
            continue
        if any(applicable(rule, row) is True for row in rows):
            continue
        conditions = rule.applies.code
        never = [condition for condition in conditions if not _holds_on_any(condition, rows)]
        if never:
            which = " and ".join(map(_named, never))
            verb = "condition {} holds" if len(never) == 1 else "conditions {} hold"
            reason = f"its {verb.format(which)} on none of {len(rows)} rows"
            values = _values(never[0], rows)
        else:
            reason = f"its {len(conditions)} conditions never hold together, on {len(rows)} rows"
            values = ""
        lines[rule.id] = (
            f"rule {rule.id}: {reason}, so the rule is never due{values}; correct the condition in "
            "the rule file, or add or label rows on which it holds"
        )
    return lines


def _holds_on_any(condition: Condition, rows: Sequence[Row]) -> bool:
    return any(condition_holds(condition, row) is True for row in rows)


def _named(condition: Condition) -> str:
    negated = " negated" if condition.negate else ""
    return f"{condition.field} {condition.matches!r}{negated}"


def _values(condition: Condition, rows: Sequence[Row]) -> str:
    """What stands in a condition's field, where it is a label or a tag: the likely misspelling."""
    if condition.field == "labels":
        counts = Counter(label for row in rows for label in row.labels or ())
        unlabelled = sum(row.labels is None for row in rows)
        rest = f"; {unlabelled} rows have none" if counts and unlabelled else ""
        return _listed("labels", counts) + rest
    if condition.field.startswith("tags."):
        name = condition.field.removeprefix("tags.")
        counts = Counter(row.tags[name] for row in rows if name in row.tags)
        tags = Counter(tag for row in rows for tag in row.tags)
        return _listed(f"values of {condition.field}", counts) if counts else _listed("tags", tags)
    return ""


def _listed(what: str, counts: Counter[str]) -> str:
    if not counts:
        return f"; the rows have no {what}"
    shown = ", ".join(f"{value!r} ({count})" for value, count in counts.most_common(_SHOWN))
    more = ", …" if len(counts) > _SHOWN else ""
    return f"; the rows' {what} are {shown}{more}"
