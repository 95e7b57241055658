"""Filters drafted rules: each must quote the prompt and be valid in a rule file."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, count
from typing import Any, NamedTuple

from pydantic import ValidationError

from config.mistakes import mistakes_of
from data.records import digest
from prompts.rules import Rule, occurs

_NOT_ID = re.compile(r"[^a-z0-9]+")


class RejectedRule(NamedTuple):
    """A drafted rule that is left out."""

    id: str
    reason: str  # one of a few, to be counted
    detail: str = ""


class FilteredRules(NamedTuple):
    """The accepted and the rejected rules of a draft."""

    accepted: tuple[Rule, ...]
    rejected: tuple[RejectedRule, ...]

    def reasons(self) -> dict[str, int]:
        """Reason → rules rejected for it, the most frequent first."""
        return dict(Counter(rule.reason for rule in self.rejected).most_common())


def filter_rules(drafts: Iterable[Any], system: str) -> FilteredRules:
    """Validates the drafts, drops duplicates and makes their ids unique."""
    accepted: list[Rule] = []
    rejected: list[RejectedRule] = []
    digests: set[str] = set()
    for draft in drafts:
        rule = _validated(draft, system)
        if isinstance(rule, RejectedRule):
            rejected.append(rule)
            continue
        content = digest(rule.model_dump(mode="json", exclude={"id"}))
        if content in digests:
            rejected.append(RejectedRule(rule.id, "duplicate"))
            continue
        digests.add(content)
        accepted.append(rule.model_copy(update={"id": unique_id(rule.id, accepted)}))
    return FilteredRules(tuple(accepted), tuple(rejected))


def _validated(draft: Any, system: str) -> Rule | RejectedRule:
    if not isinstance(draft, dict):
        return RejectedRule(str(draft)[:40], "not a rule", "not an object")
    values: dict[str, Any] = {
        **{key: draft[key] for key in ("source", "severity") if key in draft},
        "id": _NOT_ID.sub("_", str(draft.get("id", "")).casefold()).strip("_") or "rule",
        "applies": _applies(draft.get("applies")),
        "check": _without_empty(draft.get("check")),
    }
    source = values.get("source")
    if not isinstance(source, str) or not occurs(source, system):
        return RejectedRule(values["id"], "quote not in the prompt", str(source)[:80])
    try:
        return Rule.model_validate(values)
    except ValidationError as error:
        first = mistakes_of(Rule, values, error)[0]
        reason = "invalid check" if first.path[:1] == ("check",) else "not a rule"
        return RejectedRule(values["id"], reason, first.text)


def _without_empty(check: Any) -> Any:
    """The check without empty parameters: strict servers make the model write every key."""
    if not isinstance(check, dict):
        return check
    return {key: value for key, value in check.items() if value not in (None, "", [])}


def _applies(condition: Any) -> Any:
    """A condition in words becomes a question that a model answers for each row."""
    if isinstance(condition, str):
        text = condition.strip()
        return "always" if text.casefold() in ("", "always") else {"llm": text}
    return "always" if condition is None else condition


def unique_id(identity: str, rules: Sequence[Rule]) -> str:
    """The id, with a number appended when another rule has it."""
    taken = {rule.id for rule in rules}
    numbered = (f"{identity}_{number}" for number in count(2))
    return next(unique for unique in chain([identity], numbered) if unique not in taken)
