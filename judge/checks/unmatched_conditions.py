"""Conditions of rules that hold on no row, mostly because of a misspelt label or pattern."""

from collections import Counter
from collections.abc import Sequence

from data.rows import Row
from judge.checks.applicability import applicable, condition_holds
from prompts.rules import Condition, Rule, RuleFile, When

_SHOWN = 5  # values of a field in a line
_CHARACTERS = 60  # of a value


def unmatched_conditions(rules: RuleFile, rows: Sequence[Row]) -> dict[str, str]:
    """Rule → a line on its conditions that hold on none of the rows, with the values there are."""
    reasons = {rule.id: unmatched_reason(rule, rows) for rule in rules.rules}
    return {
        rule: f"rule {rule} is never due: {reason}; correct the condition in the rule file, or add "
        "or label rows on which it holds"
        for rule, reason in reasons.items()
        if reason is not None
    }


def unmatched_reason(rule: Rule, rows: Sequence[Row]) -> str | None:
    """Why the rule is due on none of the rows, with the values that its fields have there.

    None where it is due on a row, has no condition, or a language model decides when it is due. A
    row without the labels that a condition needs counts as one on which it does not hold.
    Raises DataError when a condition takes too long.
    """
    if not isinstance(rule.applies, When) or not rule.applies.code:
        return None
    if any(applicable(rule, row) is True for row in rows):
        return None
    conditions = rule.applies.code
    never = [condition for condition in conditions if not _holds_on_any(condition, rows)]
    if not never:
        return f"its {len(conditions)} conditions never hold together, on {len(rows)} rows"
    which = " and ".join(map(_named, never))
    verb = "condition {} holds" if len(never) == 1 else "conditions {} hold"
    values = dict.fromkeys(_values(condition.field, rows) for condition in never)
    return "; ".join(
        [f"its {verb.format(which)} on none of {len(rows)} rows", *filter(None, values)]
    )


def _holds_on_any(condition: Condition, rows: Sequence[Row]) -> bool:
    return any(condition_holds(condition, row) is True for row in rows)


def _named(condition: Condition) -> str:
    negated = " negated" if condition.negate else ""
    return f"{condition.field} {condition.matches!r}{negated}"


def _values(field: str, rows: Sequence[Row]) -> str:
    """What stands in a field, unless it is a long text: the likely misspelling."""
    if field == "labels":
        counts = Counter(label for row in rows for label in row.labels or ())
        unlabelled = sum(row.labels is None for row in rows)
        rest = f", {unlabelled} rows have none" if counts and unlabelled else ""
        return _listed("labels", counts) + rest
    if field == "comment":
        return _listed("comments", Counter(row.comment for row in rows if row.comment))
    if field.startswith("tags."):
        name = field.removeprefix("tags.")
        counts = Counter(row.tags[name] for row in rows if name in row.tags)
        tags = Counter(tag for row in rows for tag in row.tags)
        return _listed(f"values of {field}", counts) if counts else _listed("tags", tags)
    return ""


def _listed(what: str, counts: Counter[str]) -> str:
    if not counts:
        return f"the rows have no {what}"
    values = counts.most_common(_SHOWN)
    shown = ", ".join(f"{value[:_CHARACTERS]!r} ({count})" for value, count in values)
    more = ", …" if len(counts) > _SHOWN else ""
    return f"the rows' {what} are {shown}{more}"
