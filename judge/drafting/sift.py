"""Which of a model's drafted rules can be used: pure, and strict where the rule file is strict."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from data.records import digest
from prompts.rules import Rule, occurs

_NOT_ID = re.compile(r"[^a-z0-9]+")
_ALWAYS = ("", "always")


class Dropped(NamedTuple):
    """A drafted rule that is left out."""

    id: str  # as it was drafted
    reason: str  # one of a few: what is counted
    detail: str = ""


class Sifted(NamedTuple):
    """What is left of a draft, and what is not."""

    rules: tuple[Rule, ...]
    dropped: tuple[Dropped, ...]

    def reasons(self) -> dict[str, int]:
        """Reason → rules dropped for it, the most frequent first."""
        return dict(Counter(one.reason for one in self.dropped).most_common())


def sift(drafted: Iterable[Any], system: str) -> Sifted:
    """The rules that quote the prompt and have a valid check, under ids that differ."""
    rules: list[Rule] = []
    dropped: list[Dropped] = []
    seen: set[str] = set()
    for one in drafted:
        found = _rule(one, system)
        if isinstance(found, Dropped):
            dropped.append(found)
            continue
        content = digest(found.model_dump(mode="json", exclude={"id"}))
        if content in seen:
            dropped.append(Dropped(found.id, "drafted twice"))
            continue
        seen.add(content)
        rules.append(found.model_copy(update={"id": _free(found.id, rules)}))
    return Sifted(tuple(rules), tuple(dropped))


def _rule(drafted: Any, system: str) -> Rule | Dropped:
    if not isinstance(drafted, dict):
        return Dropped(str(drafted)[:40], "it is no rule", "not an object")
    values: dict[str, Any] = {
        **{key: drafted[key] for key in ("source", "severity") if key in drafted},
        "id": _NOT_ID.sub("_", str(drafted.get("id", "")).casefold()).strip("_") or "rule",
        "applies": _applies(drafted.get("applies")),
        "check": _given(drafted.get("check")),
    }
    source = values.get("source")
    if not isinstance(source, str) or not occurs(source, system):
        return Dropped(values["id"], "its quote is not in the prompt", str(source)[:80])
    try:
        return Rule.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = "its check is invalid" if place.startswith("check") else "it is no rule"
        return Dropped(values["id"], reason, f"{place}: {first['msg']}")


def _given(check: Any) -> Any:
    """A check without the parameters that strict servers make a model fill with nothing."""
    if not isinstance(check, dict):
        return check
    return {key: value for key, value in check.items() if value not in (None, "", [])}


def _applies(said: Any) -> Any:
    """When a rule is due: in words it is a question that a model answers before any answer."""
    if said is None or (isinstance(said, str) and said.strip().casefold() in _ALWAYS):
        return "always"
    return {"llm": said.strip()} if isinstance(said, str) else said


def _free(identity: str, rules: Sequence[Rule]) -> str:
    """The id, with a number when another rule has it."""
    taken = {rule.id for rule in rules}
    number, free = 1, identity
    while free in taken:
        number += 1
        free = f"{identity}_{number}"
    return free
