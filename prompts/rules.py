"""The rule file: what the system prompt demands, each rule with a verbatim quote of its source.

Knows the kinds of checks and when a rule applies; how a check is decided is the judge's business.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from config.errors import DataError
from config.load import read_yaml, validated
from config.settings import Fraction, Settings
from data.records import digest

VisiblePart = Literal["question", "contexts", "answer"]
Language = Literal["en", "ru"]


class ScriptShare(Settings):
    """Share of letters in one alphabet, urls and e-mail addresses aside."""

    type: Literal["script_share"]
    alphabet: Literal["cyrillic", "latin"]
    min: Fraction


class Phrase(Settings):
    """The answer starts with, ends with, contains or equals a phrase.

    Compared without case, ё and the kinds of quotes, dashes and spaces.
    """

    type: Literal["starts_with", "ends_with", "contains", "equals"]
    text: Annotated[str, Field(min_length=1)]


class Pattern(Settings):
    """A regular expression occurs in the answer."""

    type: Literal["regex"]
    pattern: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _compiles(self) -> "Pattern":
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern {self.pattern!r}: {error}") from None
        return self


class Length(Settings):
    """At most so many sentences or words."""

    type: Literal["length"]
    max_sentences: int | None = None
    max_words: int | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Length":
        if self.max_sentences is None and self.max_words is None:
            raise ValueError("length: give max_sentences, max_words or both")
        return self


class Sourced(Settings):
    """Every link, or every number, in the answer occurs in the row."""

    type: Literal["urls_from", "digits_from"]
    sources: tuple[Literal["question", "contexts"], ...] = ("contexts",)


class Grounded(Settings):
    """Share of the answer's longer words and numbers that occur in the row; fixed phrases aside.

    Compared by their first letters, so that inflected forms count. Says nothing of the order of
    the words: it finds answers from elsewhere, not every wrong one.
    """

    type: Literal["words_from"]
    sources: tuple[Literal["question", "contexts"], ...] = ("contexts",)
    min: Fraction


class Bare(Settings):
    """No digits; no sentence said twice; one JSON value; none of these has a parameter."""

    type: Literal["no_digits", "no_repetition", "json"]


class NoLeak(Settings):
    """No run of so many words copied from the system prompt or its worked examples' questions.

    Fixed sentences that the prompt tells the model to say are quoted in other rules and excused.
    """

    type: Literal["no_leak"]
    words: int = 12


class LlmCheckExample(Settings):
    """An answer with its verdict, shown to the judge."""

    answer: str
    verdict: Literal["pass", "fail"]


class LlmCheck(Settings):
    """Decided by a language model from definitions of pass and fail."""

    type: Literal["llm"]
    sees: tuple[VisiblePart, ...] = ("question", "contexts", "answer")
    passes: Annotated[str, Field(alias="pass", min_length=1)]
    fails: Annotated[str, Field(alias="fail", min_length=1)]
    examples: tuple[LlmCheckExample, ...] = ()


CodeCheck = ScriptShare | Phrase | Pattern | Length | Sourced | Grounded | Bare | NoLeak
Check = Annotated[CodeCheck | LlmCheck, Field(discriminator="type")]


class Condition(Settings):
    """A field of the row matches a regular expression (searched, without case).

    `labels`: any of them; a row that nobody labelled decides nothing on labels and comment.
    """

    field: Annotated[str, Field(pattern=r"^(question|contexts|labels|comment|tags\..+)$")]
    matches: str
    negate: bool = False


class When(Settings):
    """When a rule is due: all conditions hold, or a language model says so of the question."""

    code: tuple[Condition, ...] = ()
    llm: str | None = None  # a yes/no question; the model never sees an answer
    sees: tuple[Literal["question", "contexts"], ...] = ("question", "contexts")

    @model_validator(mode="after")
    def _one_way(self) -> "When":
        if bool(self.code) == bool(self.llm):
            raise ValueError("applies: give either `code` conditions or an `llm` question")
        return self


class Rule(Settings):
    """One requirement of the system prompt."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    source: Annotated[str, Field(min_length=1)]
    severity: Literal["must", "should"] = "must"
    applies: Literal["always"] | When = "always"
    check: Check
    converse: bool = False  # also a rule `<id>_undue`: where it is not due, the check must not pass
    shadow_llm: str | None = None  # id of an llm rule that judges the same thing, to measure it


class Conflict(Settings):
    """Two places of the prompt that contradict each other, and what a person decided."""

    quotes: tuple[str, ...]
    decision: str
    by: str


class ScoredRule(Settings):
    """A rule as it is scored; `undue`: where the rule is *not* due, passing if not obeyed."""

    id: str
    rule: Rule
    undue: bool = False

    @property
    def must(self) -> bool:
        """Whether breaking it costs the row its strict score."""
        return self.rule.severity == "must"


class Normalise(Settings):
    """What is taken off an answer before it is checked."""

    strip_footer: str | None = None  # regular expression
    drop_prefix: str | None = None  # regular expression


class RuleFile(Settings):
    """The rules of one system prompt."""

    version: Literal[1]
    prompt_sha256: str
    language: Language = "en"  # in which the judge is asked: that of the rules' own words
    normalise: Normalise = Normalise()
    slices: tuple[str, ...] = ()  # row fields by which the report splits the scores
    conflicts: tuple[Conflict, ...] = ()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    def scored_rules(self) -> tuple[ScoredRule, ...]:
        """The rules as they are scored: a converse rule counts twice, due and undue."""
        due: list[ScoredRule] = []
        for rule in self.rules:
            due.append(ScoredRule(id=rule.id, rule=rule))
            if rule.converse:
                due.append(ScoredRule(id=f"{rule.id}_undue", rule=rule, undue=True))
        return tuple(due)

    @property
    def must_rules(self) -> tuple[str, ...]:
        """Ids of the scored rules that an answer must pass for its strict score."""
        return tuple(rule.id for rule in self.scored_rules() if rule.must)


def prompt_sha256(text: str) -> str:
    """Hex hash of a system prompt, as the rule file states it."""
    return hashlib.sha256(text.encode()).hexdigest()


def rules_sha256(rules: RuleFile) -> str:
    """Hash of all that decides a verdict: scores are comparable where it is the same."""
    said = rules.model_dump(mode="json", by_alias=True, exclude={"slices", "conflicts"})
    return digest(said)


def _spaced(text: str) -> str:
    return " ".join(text.split())


def occurs(quote: str, text: str) -> bool:
    """Whether a quote is in a text word for word, wherever the lines break."""
    return bool(quote.split()) and _spaced(quote) in _spaced(text)


def load_rules(path: Path, system: str) -> RuleFile:
    """The rules in `path`, cut out of the prompt `system`.

    Raises DataError when ids repeat, a quote does not occur in the prompt, the prompt has changed
    since, or a shadow names no llm rule.
    """
    rules = validated(RuleFile, read_yaml(path), str(path))
    actual = prompt_sha256(system)
    if rules.prompt_sha256 != actual:
        raise DataError(
            f"{path}: prompt_sha256 = {rules.prompt_sha256[:12]}…, but the prompt has "
            f"{actual} now: read the rules against the changed prompt, then write this hash"
        )
    seen: set[str] = set()
    for due in rules.scored_rules():
        if due.id in seen:
            raise DataError(f"{path}: rule id {due.id!r} is given twice; rename one")
        seen.add(due.id)
        if not occurs(due.rule.source, system):
            raise DataError(
                f"{path}: rule {due.id}: source {due.rule.source[:60]!r} does not occur in the "
                "prompt; quote it word for word"
            )
    judged = {rule.id for rule in rules.rules if isinstance(rule.check, LlmCheck)}
    for rule in rules.rules:
        if rule.shadow_llm is not None and rule.shadow_llm not in judged:
            raise DataError(
                f"{path}: rule {rule.id}: shadow_llm = {rule.shadow_llm!r} is no llm rule"
            )
    return rules


def llm_rules(path: Path) -> RuleFile:
    """The rules that a run was judged by, as the judge noted them in the run's folder.

    Raises DataError when the file is not what the judge writes.
    """
    try:
        return RuleFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        line = str(error).splitlines()[0]
        raise DataError(f"{path}: {line}; run `python -m judge CONFIG score` again") from None


def sentences(text: str) -> list[str]:
    """The sentences of a text in any script; a line break ends one too."""
    parts = re.split(r"(?<=[.!?…])[\"»”')\]]*\s+|\n+", text)
    return [part.strip() for part in parts if part.strip()]


def uncovered(rules: RuleFile, system: str) -> list[str]:
    """Sentences of the prompt that no rule quotes: demands that may have been overlooked."""
    quoted = [_spaced(rule.source) for rule in rules.rules]
    return [
        sentence
        for sentence in map(_spaced, sentences(system))
        if not any(sentence in quote or quote in sentence for quote in quoted)
    ]
