"""The rule file: the demands of the system prompt, each with a verbatim quote of its source.

Knows when a rule applies and which rules are scored; `prompts.check_settings` has the kinds of
checks, and the judge decides them.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.errors import DataError
from config.load import validated
from config.settings import Settings
from config.yaml_file import read_yaml
from data.jsonl import read_record
from data.records import digest
from prompts.check_settings import Check, LlmCheck, Regex

Language = Literal["en", "ru"]


class Condition(Settings):
    """A field of the row matches a regular expression (searched, without case).

    `labels`: any of them. On an unlabelled row, conditions on labels and comment are undecided.
    """

    field: Annotated[str, Field(pattern=r"^(question|contexts|labels|comment|tags\..+)$")]
    matches: Regex
    negate: bool = False


class When(Settings):
    """When a rule applies: all conditions hold, or a language model answers the question yes."""

    code: tuple[Condition, ...] = ()
    llm: str | None = None  # a yes/no question; the model never sees an answer
    sees: tuple[Literal["question", "contexts"], ...] = ("question", "contexts")

    @model_validator(mode="after")
    def _one_way(self) -> "When":
        if bool(self.code) == bool(self.llm):
            raise ValueError("applies: give either `code` conditions or an `llm` question")
        return self


class Rule(Settings):
    """One demand of the system prompt."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    source: Annotated[str, Field(min_length=1)]
    severity: Literal["must", "should"] = "must"
    applies: When | Literal["always"] = "always"
    check: Check
    converse: bool = (
        False  # also score `<id>_converse`: where the rule does not apply, it must fail
    )
    # what the teacher is told, in front of the source, where its answers broke the rule
    hint: str | None = None
    shadow_llm: str | None = None  # id of an llm rule that judges the same, to measure the judge


class Conflict(Settings):
    """Two places of the prompt that contradict each other, and what a person decided."""

    quotes: tuple[str, ...]
    decision: str
    by: str


class ScoredRule(Settings):
    """A rule as it is scored: itself, or its converse.

    The converse counts where the rule does not apply, and passes if the check does not.
    """

    id: str
    rule: Rule
    converse: bool = False

    @property
    def must(self) -> bool:
        """Whether a fail costs the row its strict score."""
        return self.rule.severity == "must"


class Normalise(Settings):
    """Parts of an answer that are removed before it is checked."""

    strip_footer: Regex | None = None
    drop_prefix: Regex | None = None


class RuleFile(Settings):
    """The rules of one system prompt."""

    version: Literal[1]
    prompt_sha256: str
    language: Language = "en"  # of the rules' own words; the judge is asked in it
    normalise: Normalise = Normalise()
    slices: tuple[str, ...] = ()  # row fields by which the report splits the scores
    # ids of the rules that make an answer useful: people's labels are compared with these
    useful: Annotated[tuple[str, ...], Field(max_length=6)] = ()
    conflicts: tuple[Conflict, ...] = ()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    def scored_rules(self) -> tuple[ScoredRule, ...]:
        """The rules as they are scored, each followed by its converse where it asks for one."""
        scored: list[ScoredRule] = []
        for rule in self.rules:
            scored.append(ScoredRule(id=rule.id, rule=rule))
            if rule.converse:
                scored.append(ScoredRule(id=f"{rule.id}_converse", rule=rule, converse=True))
        return tuple(scored)

    @property
    def conditional_rules(self) -> tuple[Rule, ...]:
        """The rules whose demand must be met where they apply, and only there."""
        return tuple(rule for rule in self.rules if rule.converse)

    @property
    def must_rules(self) -> tuple[str, ...]:
        """Ids of the scored rules that an answer must pass for its strict score."""
        return tuple(scored.id for scored in self.scored_rules() if scored.must)


def prompt_sha256(text: str) -> str:
    """Hex hash of a system prompt, as the rule file states it."""
    return hashlib.sha256(text.encode()).hexdigest()


def rules_sha256(rules: RuleFile) -> str:
    """Hash of all that decides a verdict: scores are comparable where it is the same."""
    values = rules.model_dump(
        mode="json",
        by_alias=True,
        exclude={
            **dict.fromkeys(("slices", "conflicts", "useful"), True),
            "rules": {"__all__": {"hint"}},
        },
    )
    return digest(values)


def one_line(text: str) -> str:
    """The text with one space in place of each run of blanks and line breaks."""
    return " ".join(text.split())


def occurs(quote: str, text: str) -> bool:
    """Whether a text contains a quote word for word; line breaks and spaces do not count."""
    return bool(quote.split()) and one_line(quote) in one_line(text)


def load_rules(path: Path, system: str) -> RuleFile:
    """The rules in `path`, written for the system prompt `system`.

    Raises DataError when ids repeat, a quote does not occur in the prompt, the prompt has changed
    since, a shadow names no llm rule, or `useful` an unknown one.
    """
    rules = validated(RuleFile, read_yaml(path), str(path))
    actual = prompt_sha256(system)
    if rules.prompt_sha256 != actual:
        raise DataError(
            f"{path}: prompt_sha256 = {rules.prompt_sha256[:12]}…, but the prompt has "
            f"{actual} now: check the rules against the changed prompt, then write this hash"
        )
    ids: set[str] = set()
    for scored in rules.scored_rules():
        if scored.id in ids:
            raise DataError(f"{path}: rule id {scored.id!r} occurs twice; rename one")
        ids.add(scored.id)
        if not occurs(scored.rule.source, system):
            raise DataError(
                f"{path}: rule {scored.id}: source {scored.rule.source[:60]!r} does not occur in "
                "the prompt; quote it word for word"
            )
    _check_named_rules(path, rules, ids)
    return rules


def _check_named_rules(path: Path, rules: RuleFile, ids: Collection[str]) -> None:
    """Checks that `useful` and every `shadow_llm` name rules of the file."""
    for name in rules.useful:
        if name not in ids:
            raise DataError(f"{path}: useful: there is no rule {name!r}; name rules of this file")
    llm_ids = {rule.id for rule in rules.rules if isinstance(rule.check, LlmCheck)}
    for rule in rules.rules:
        if rule.shadow_llm is not None and rule.shadow_llm not in llm_ids:
            raise DataError(
                f"{path}: rule {rule.id}: shadow_llm = {rule.shadow_llm!r} is not an llm rule; "
                "name one that is"
            )


def stored_rules(path: Path) -> RuleFile:
    """The rules that a run was judged by, as the judge stored them in the run's folder.

    Raises DataError when the file is not one that the judge wrote.
    """
    return read_record(path, RuleFile, "run `python -m judge CONFIG score` again")
