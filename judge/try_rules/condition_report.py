"""Why the conditions of a rule hold on no row, and what the rows say instead."""

from collections import Counter
from collections.abc import Iterator, Sequence

from data.rows import Row
from judge.checks.applicability import condition_holds
from prompts.rules import Condition, Rule, When

_VALUES = 6  # of a field, in a line


def condition_findings(rule: Rule, rows: Sequence[Row]) -> Iterator[str]:
    """A line for each condition of the rule that holds on no row, or one if only all together do.

    Nothing for a rule that is due on some row.
    """
    if not isinstance(rule.applies, When) or not rule.applies.code:
        return
    conditions = rule.applies.code
    holding = [[condition_holds(condition, row) for row in rows] for condition in conditions]
    if any(all(values) for values in zip(*holding, strict=True)):
        return
    alone = True
    for condition, values in zip(conditions, holding, strict=True):
        if True not in values:
            alone = False
            yield f"{_shown(condition)} holds on no row{_instead(condition, rows)}"
    if alone:
        yield "each of its conditions holds on some row, but all of them together on none"


def _shown(condition: Condition) -> str:
    verb = "does not match" if condition.negate else "matches"
    return f"condition `{condition.field} {verb} {condition.matches!r}`"


def _instead(condition: Condition, rows: Sequence[Row]) -> str:
    """What the field holds, the most frequent first."""
    field = condition.field
    if field in ("question", "contexts"):
        return ""
    if field.startswith("tags."):
        tags = sorted({tag for row in rows for tag in row.tags})
        name = field.removeprefix("tags.")
        if name not in tags:
            return f": no row has the tag {name!r}; there are {', '.join(tags) or 'no tags'}"
        return _counted(Counter(row.tags.get(name, "") for row in rows))
    if field == "comment":
        return _counted(Counter(row.comment for row in rows if row.comment))
    return _counted(Counter(label for row in rows for label in row.labels or ()))


def _counted(values: Counter[str]) -> str:
    if not values:
        return ": no row has one"
    shown = [f"{value!r} {count}" for value, count in values.most_common(_VALUES)]
    more = f" and {len(values) - _VALUES} more" if len(values) > _VALUES else ""
    return f"; the rows have {', '.join(shown)}{more}"
