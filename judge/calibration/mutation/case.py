"""An answer that obeys a rule, and what can be done to any text without breaking or mending a rule.

Leaves the ways to break a rule to `form` and `content` beside it.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from data.answers import Answer
from data.records import digest
from data.rows import Row
from judge.checks.kinds import CheckContext
from judge.checks.text import language_of
from prompts.check_settings import Phrase
from prompts.rules import sentences

Pairs = Sequence[tuple[Row, Answer]]


class MutationCase(NamedTuple):
    """An answer that obeys a rule, with what its breakers need."""

    row: Row
    answer: str  # normalised
    other: str  # an answer to another question
    context: CheckContext

    @property
    def number(self) -> int:
        """A number of the row's own, to vary what is inserted."""
        return int(digest(self.row.id)[:8], 16)

    @property
    def sources(self) -> str:
        """Everything that the row says."""
        return "\n".join([self.row.question, *(passage.text for passage in self.row.contexts)])


Breaker = Callable[[Any, MutationCase], str | None]  # None: this answer offers no way to


def with_sentence(answer: str, sentence: str) -> str:
    """The answer with a sentence in front of its last one, or behind its only one."""
    said = sentences(answer)
    if len(said) < 2:
        return f"{answer} {sentence}"
    at = answer.rfind(said[-1])
    return f"{answer[:at]}{sentence} {answer[at:]}"


def russian(text: str) -> bool:
    """Whether most letters are Cyrillic."""
    return language_of(text) == "ru"


def say(case: MutationCase, in_russian: str, in_english: str) -> str:
    """The case's answer with a sentence in its language."""
    return with_sentence(case.answer, in_russian if russian(case.answer) else in_english)


def obeyed(demand: Phrase, answer: str) -> str:
    """The answer made to obey a phrase check, where no answer at hand does."""
    return {
        "starts_with": f"{demand.text} {answer}",
        "ends_with": f"{answer} {demand.text}",
        "contains": with_sentence(answer, demand.text),
        "equals": demand.text,
    }[demand.type]


def retyped(kind: str, answer: str) -> str:
    """The answer with other quotes, dashes and spaces; a copy to the letter would prove nothing."""
    if kind == "json":
        return f"\n{answer}\n"
    text = re.sub(r'"([^"\n]*)"', r"«\1»", answer)
    return text.replace(" - ", " — ").replace(". ", ".  ").replace(", ", ",  ") + "\n"
