"""What a row is: one logged question with everything the logs say about it."""

import re
import unicodedata
from collections.abc import Iterable

from data.records import Record

PRODUCTION = "production"  # the logged system that users talked to; people compared its rivals only


class Context(Record):
    """One retrieved passage."""

    text: str
    url: str | None = None  # where the passage is from, when the logs say it


class FollowUp(Record):
    """The clarified second turn of a conversation."""

    question: str | None
    answer: str | None
    contexts: tuple[Context, ...] = ()


class Turn(Record):
    """An earlier turn of a conversation, with the answer that the user saw and replied to."""

    question: str
    answer: str
    contexts: tuple[Context, ...] = ()


class Row(Record):
    """One question, from the logs or made for a rule that they hardly touch."""

    id: str
    question: str
    contexts: tuple[Context, ...] = ()
    tags: dict[str, str] = {}
    answers: dict[str, str] = {}  # answering system → logged answer, cleaned of its footer
    labels: tuple[str, ...] | None = None  # None: nobody labelled the row
    comment: str | None = None
    followup: FollowUp | None = None
    origin: str = ""  # file and position that the row was read from
    history: tuple[Turn, ...] = ()  # what was said before the question, the oldest turn first
    synthetic: str | None = None  # kind of probe; None: logged


_NOT_WORD = re.compile(r"[\W_]+")


def normalised(question: str) -> str:
    """The question without case, ё, punctuation and extra spaces: equal means the same question."""
    folded = unicodedata.normalize("NFKC", question).casefold().replace("ё", "е")
    return _NOT_WORD.sub(" ", folded).strip()


def questions(rows: Iterable[Row]) -> dict[str, str]:
    """Row id → normalised question: what rows are clustered by."""
    return {row.id: normalised(row.question) for row in rows}
