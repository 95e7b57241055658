"""Rows: a logged question with everything that the logs say about it, and its normalised form."""

import unicodedata
from collections.abc import Iterable
from typing import Literal

from data.records import Record, digest_list
from data.words import fold_letters, split_words

LabelMeaning = Literal["good", "bad", "off_topic"]

PRODUCTION = "production"  # the logged system that users talked to; people compared its rivals only


class Context(Record):
    """One retrieved passage."""

    text: str
    url: str | None = None  # source of the passage, if logged


class FollowUp(Record):
    """The clarified second turn of a conversation, as logged."""

    question: str | None
    answer: str | None
    contexts: tuple[Context, ...] = ()


class Turn(Record):
    """An earlier turn of a conversation, with the answer that the user saw and replied to."""

    question: str
    answer: str
    contexts: tuple[Context, ...] = ()


class Rating(Record):
    """What a row's labels mean by the field map's `label_map`."""

    meanings: dict[str, LabelMeaning]  # label → meaning; without labels that the map lacks
    systems: tuple[str, ...]  # answering systems that the labels are about


class Row(Record):
    """One question: logged, or a generated probe for a rule that the logs rarely exercise."""

    id: str
    question: str
    contexts: tuple[Context, ...] = ()
    tags: dict[str, str] = {}
    answers: dict[str, str] = {}  # answering system → logged answer, without footer
    labels: tuple[str, ...] | None = None  # None: unlabelled
    rating: Rating | None = None  # None: no label map
    comment: str | None = None
    follow_up: FollowUp | None = None
    origin: str = ""  # file and position in it
    history: tuple[Turn, ...] = ()  # earlier turns, oldest first
    synthetic: str | None = None  # kind of probe; None: logged


def normalise_question(question: str) -> str:
    """The question's words, folded, with one space between them; equal: the same question."""
    return " ".join(split_words(fold_letters(unicodedata.normalize("NFKC", question))))


def question_key(row: Row) -> str:
    """Equal for rows with the same question. A question without any word equals only itself."""
    return _text_key(row.question)


def opening_key(row: Row) -> str | None:
    """The question key of the first turn of the row's conversation; None where it is the row's."""
    return _text_key(row.history[0].question) if row.history else None


def _text_key(question: str) -> str:
    return normalise_question(question) or question.strip()


def question_clusters(rows: Iterable[Row]) -> dict[str, str]:
    """Row id → normalised question, the cluster of the row in clustered estimates."""
    return {row.id: normalise_question(row.question) for row in rows}


def rows_digest(rows: Iterable[Row]) -> str:
    """Hash of all that determines the answers to these rows, without holding them in memory."""
    return digest_list(map(_answered_fields, rows))


def _answered_fields(row: Row) -> list[object]:
    values = row.model_dump()
    return [row.id, row.question, values["contexts"], *values["history"]]
