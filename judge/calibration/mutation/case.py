"""The answer that a mutation test starts from, and edits that keep or satisfy any rule.

The edits that break rules are in `operators`.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from data.answers import Answer
from data.records import digest
from data.rows import Row
from data.sentences import sentences
from judge.checks.kinds import CheckContext
from judge.checks.text import language_of
from prompts.check_settings import Phrase

LoggedPairs = Sequence[tuple[Row, Answer]]


class MutationCase(NamedTuple):
    """An answer that passes a rule, with what the mutation operators need."""

    row: Row
    answer: str  # normalised
    other: str  # an answer to another question
    context: CheckContext

    @property
    def number(self) -> int:
        """A number derived from the row id; varies the inserted text between rows."""
        return int(digest(self.row.id)[:8], 16)

    @property
    def sources(self) -> str:
        """The question and all passages of the row."""
        return "\n".join([self.row.question, *(passage.text for passage in self.row.contexts)])


MutationOperator = Callable[[Any, MutationCase], str | None]  # None: not applicable to this answer


def insert_sentence(answer: str, sentence: str) -> str:
    """Inserts a sentence before the last sentence, or after the only one."""
    parts = sentences(answer)
    if len(parts) < 2:
        return f"{answer} {sentence}"
    at = answer.rfind(parts[-1])
    return f"{answer[:at]}{sentence} {answer[at:]}"


def is_russian(text: str) -> bool:
    """Whether most letters are Cyrillic."""
    return language_of(text) == "ru"


def comply(demand: Phrase, answer: str) -> str:
    """Edits an answer so that it passes a phrase check."""
    return {
        "starts_with": f"{demand.text} {answer}",
        "ends_with": f"{answer} {demand.text}",
        "contains": insert_sentence(answer, demand.text),
        "equals": demand.text,
        "asks": insert_sentence(answer, f"{demand.text.rstrip(' .…?!')}?"),
    }[demand.type]


def retype(kind: str, answer: str) -> str:
    """Changes quotes, dashes and spaces only: a harmless copy that is not identical."""
    if kind == "json":
        return f"\n{answer}\n"
    text = re.sub(r'"([^"\n]*)"', r"«\1»", answer)
    return text.replace(" - ", " — ").replace(". ", ".  ").replace(", ", ",  ") + "\n"
