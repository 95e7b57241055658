"""The kinds of checks that a rule file can name, each with its parameters.

`judge.checks.kinds` decides the checks in code, `judge.llm` those by a language model. The first
paragraph of each docstring is part of the request that drafts rules.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from config.settings import Fraction, Settings
from data.bounded_regex import compile_pattern

VisiblePart = Literal["question", "contexts", "answer"]
# `history`: earlier turns with their passages; `prompt`: with its worked examples
Source = Literal["question", "contexts", "history", "prompt"]


def _compiles(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


Regex = Annotated[str, Field(min_length=1), AfterValidator(_compiles)]


class ScriptShare(Settings):
    """Share of letters in one alphabet in every sentence of the answer.

    Links, addresses, code, names, abbreviations and short terms do not count. `cyrillic` is
    Russian: a word with another Cyrillic letter makes its sentence foreign, unless the system
    prompt has such letters.
    """

    type: Literal["script_share"]
    alphabet: Literal["cyrillic", "latin"]
    min: Fraction


class Phrase(Settings):
    """The answer starts with, ends with, contains or equals a phrase, or asks the user with it.

    Compared without case, ё, quotes, markup, the kinds of dashes, blanks before a mark and the
    marks of a line's start (lists, quotes, headings). It begins and ends where words do. For
    `ends_with` it is a sentence of its own, for `equals` commas do not count. For `asks` a closing
    offer does not count: "If you have more questions, please specify them."
    """

    type: Literal["starts_with", "ends_with", "contains", "equals", "asks"]
    text: Annotated[str, Field(min_length=1)]


class Pattern(Settings):
    """A regular expression occurs in the answer."""

    type: Literal["regex"]
    pattern: Regex


class Length(Settings):
    """At most so many sentences or words.

    A list whose items end with no mark is one sentence. A link, a number and "don't" are one word.
    """

    type: Literal["length"]
    max_sentences: int | None = None
    max_words: int | None = None  # a character of Chinese, Japanese or Thai counts as one

    @model_validator(mode="after")
    def _bounded(self) -> "Length":
        if self.max_sentences is None and self.max_words is None:
            raise ValueError("length: give max_sentences, max_words or both")
        return self


class Sourced(Settings):
    """Every link, every number, or every contact in the answer occurs in its sources.

    E-mail addresses count as links. Numbers count in digits, words and Roman numerals; a date is a
    day with its month. "One" and "first" alone are no numbers. Contacts are e-mail addresses,
    telephone numbers and the full names of people, Russian ones in all cases.
    """

    type: Literal["urls_from", "digits_from", "contacts_from"]
    sources: tuple[Source, ...] = ("contexts",)


class Grounded(Settings):
    """Share of the answer's longer words and numbers that occur in the row; fixed phrases aside.

    Words are compared by their first letters, so that inflected forms match. The order of the words
    is not checked: this finds answers from elsewhere, not every wrong one. A sentence of the row
    with a negation put in fails.
    """

    type: Literal["words_from"]
    sources: tuple[Source, ...] = ("contexts",)
    min: Fraction


class Bare(Settings):
    """No numbers; nothing said twice; one JSON value; none of these has a parameter."""

    type: Literal["no_digits", "no_repetition", "json"]


class NoLeak(Settings):
    """No run of so many words copied from the system prompt or its worked examples' questions.

    Whole sentences count from eight words on, and so does talk of the instructions. Fixed sentences
    that other rules demand are excused.
    """

    type: Literal["no_leak"]
    words: int = 12  # or characters of a script without spaces


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
