"""The rule file: the demands of the system prompt, each with a verbatim quote of its source.

Knows when a rule applies and which rules are scored; `prompts.check_settings` has the kinds of
checks, and the judge decides them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.errors import DataError
from config.expected import alternatives, nearest
from config.key_lines import Sources
from config.load import validated
from config.mistakes import Mistake
from config.settings import Settings
from config.yaml_file import read_document
from data.jsonl import read_record
from data.records import digest
from prompts.check_settings import Check, LlmCheck, Regex

Language = Literal["en", "ru"]


class Condition(Settings):
    """A field of the row matches a regular expression (searched, without case).

    `labels`: any of them. On an unlabelled row, conditions on labels and comment are undecided.
    """

    field: Annotated[
        str,
        Field(
            pattern=r"^(question|contexts|labels|comment|tags\..+)$",
            description="question, contexts, labels, comment or tags.NAME",
            examples=["question", "contexts", "labels", "comment", "tags.name"],
        ),
    ]
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

    id: Annotated[
        str, Field(pattern=r"^[a-z0-9_]+$", description="lower-case letters, digits and _")
    ]
    source: Annotated[
        str, Field(min_length=1, description="the words of the prompt that demand it")
    ]
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

    version: Literal[1] = 1
    # of the prompt that the rules were written for; `load_rules` fills it in where none stands
    prompt_sha256: str | None = None
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


def load_rules(path: Path, system: str, accepts_prompt: bool = False) -> RuleFile:
    """The rules in `path`, written for the system prompt `system`.

    Raises ConfigError or DataError, with a line for each mistake: when ids repeat, a quote does not
    occur in the prompt, the prompt has changed since (but for `accepts_prompt`), a shadow names no
    llm rule, or `useful` an unknown one.
    """
    document = read_document(path)
    sources = Sources([(path, document)])
    rules = validated(RuleFile, document.values, sources)
    actual = prompt_sha256(system)
    mistakes = [*_repeated(rules), *_not_quoted(rules, system), *_unknown_names(rules)]
    if rules.prompt_sha256 not in (None, actual) and not accepts_prompt:
        text = (
            f"prompt_sha256 = {str(rules.prompt_sha256)[:12]}…, but the prompt has {actual} now: "
            "check the rules against the changed prompt, then run `unprompted judge CONFIG "
            "accept-prompt`"
        )
        mistakes.insert(0, Mistake(("prompt_sha256",), text))
    if mistakes:
        raise DataError(*(f"{sources.place(path)}: {text}" for path, text in mistakes))
    return rules.model_copy(update={"prompt_sha256": actual})


def _repeated(rules: RuleFile) -> Iterator[Mistake]:
    ids: set[str] = set()
    for number, rule in enumerate(rules.rules):
        for name in (rule.id, *([f"{rule.id}_converse"] if rule.converse else [])):
            if name in ids:
                text = f"rule id {name!r} occurs twice; rename one"
                yield Mistake(("rules", number, "id"), text)
            ids.add(name)


def _not_quoted(rules: RuleFile, system: str) -> Iterator[Mistake]:
    for number, rule in enumerate(rules.rules):
        if not occurs(rule.source, system):
            yield Mistake(
                ("rules", number, "source"),
                f"rule {rule.id}: source {rule.source[:60]!r} does not occur in the prompt; quote "
                "it word for word",
            )


def _unknown_names(rules: RuleFile) -> Iterator[Mistake]:
    """Where `useful` or a `shadow_llm` names no rule of the file."""
    ids = [scored.id for scored in rules.scored_rules()]
    for index, name in enumerate(rules.useful):
        if name not in ids:
            text = f"useful: there is no rule {name!r}; {_way_out(name, ids)}"
            yield Mistake(("useful", index), text)
    llm_ids = [rule.id for rule in rules.rules if isinstance(rule.check, LlmCheck)]
    for number, rule in enumerate(rules.rules):
        if rule.shadow_llm is not None and rule.shadow_llm not in llm_ids:
            yield Mistake(
                ("rules", number, "shadow_llm"),
                f"rule {rule.id}: shadow_llm = {rule.shadow_llm!r} is not an llm rule; "
                f"{_way_out(rule.shadow_llm, llm_ids)}",
            )


def _way_out(name: str, ids: Sequence[str]) -> str:
    if (similar := nearest(name, ids)) is not None:
        return f"did you mean {similar!r}?"
    return f"name one of {alternatives(ids)}" if ids else "remove it: there is none in this file"


def stored_rules(path: Path) -> RuleFile:
    """The rules that a run was judged by, as the judge stored them in the run's folder.

    Raises DataError when the file is not one that the judge wrote.
    """
    return read_record(path, RuleFile, "run `unprompted judge CONFIG score` again")
