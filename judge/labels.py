"""What people said of the logged answers, as gold to hold the judge against.

Labels compare two answers: "both good" and "both bad" say something of each of them, a winner only
that it beats the other one. The production answer took no part and has no gold.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from data.records import Record
from data.rows import PRODUCTION, Row
from data.splits import split_by_question
from judge.checks.text import fold

Half = Literal["tune", "report"]


_BOTH = ("оба хорошо", "both good")
_BAD = ("оба плохо", "both bad")
_OFF_TOPIC = ("вопрос не по теме", "off topic")


class GoldLabel(Record):
    """What people hold of one logged answer."""

    row: str
    system: str
    good: bool
    why: str  # the labels, and the comment where there is one


class Preference(Record):
    """A pair of logged answers of which people preferred one; neither need be good."""

    row: str
    better: str  # answering system
    worse: str


class LoggedLabels(NamedTuple):
    """Everything that the labels of some rows say."""

    gold: tuple[GoldLabel, ...]
    preferences: tuple[Preference, ...]
    off_topic: tuple[str, ...]  # row ids: a refusal is due, neither answer is called good or bad
    unclear: tuple[str, ...]  # row ids whose labels contradict each other or name nobody
    unlabelled: tuple[str, ...]
    comments: int  # labelled rows with a comment


def read_labels(rows: Sequence[Row]) -> LoggedLabels:
    """The gold and the preferences in the rows' labels.

    An answer that cleaning took out (a provider's stub, an empty one) has neither.
    """
    gold: list[GoldLabel] = []
    preferences: list[Preference] = []
    off_topic, unclear, unlabelled = [], [], []
    for row in rows:
        if not row.labels:
            unlabelled.append(row.id)
            continue
        found = _row_gold(row)
        winner = _winner(row)
        gold += found
        preferences += winner
        if _says(row, _OFF_TOPIC):
            off_topic.append(row.id)
        elif not found and not winner and len(_rivals(row)) > 1:
            unclear.append(row.id)
    comments = sum(bool(row.labels and row.comment) for row in rows)
    return LoggedLabels(
        tuple(gold),
        tuple(preferences),
        tuple(off_topic),
        tuple(unclear),
        tuple(unlabelled),
        comments,
    )


def halves(rows: Sequence[Row], seed: int) -> dict[str, Half]:
    """Row id → the half that it belongs to; rows of one question share a half.

    The seed is moved by one: val was chosen by the same order of questions under the seed itself,
    and would else be all of one half.
    """
    tune, report = split_by_question(rows, 0.5, seed + 1)
    tuned: dict[str, Half] = {row.id: "tune" for row in tune}
    return {**tuned, **{row.id: "report" for row in report}}


def preferred(row: Row) -> list[str]:
    """The rival systems that the labels call best: one, all when all are good, or none.

    A label counts for every system whose name it holds ("GigaChat" → giga).
    """
    labels = [fold(label) for label in row.labels or ()]
    rivals = [name for name in row.answers if name != PRODUCTION]
    both = any(phrase in label for label in labels for phrase in _BOTH)
    return [name for name in rivals if both or any(fold(name) in label for label in labels)]


def best_logged(row: Row) -> list[str]:
    """The logged answers that the labels call best: one, two when both are, or none.

    Without a label that names one the production answer stands in, where there is one.
    """
    names = preferred(row) or [PRODUCTION]
    texts = [row.answers[name] for name in names if name in row.answers]
    return [text for text in texts if text.strip()]


def best_by_row(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The best logged answers by row id; rows without any are left out."""
    found = {row.id: best_logged(row) for row in rows}
    return {row: texts for row, texts in found.items() if texts}


def _rivals(row: Row) -> list[str]:
    return [name for name, text in row.answers.items() if name != PRODUCTION and text.strip()]


def _says(row: Row, phrases: Sequence[str]) -> bool:
    return any(phrase in fold(label) for label in row.labels or () for phrase in phrases)


def _row_gold(row: Row) -> list[GoldLabel]:
    """Gold of every rival when the labels call all good, or all bad; else none."""
    rivals, liked = _rivals(row), preferred(row)
    bad = _says(row, _BAD)
    named = [name for name in rivals if _says(row, (fold(name),))]
    all_good = bool(rivals) and set(rivals) <= set(liked) and not named
    if bad == all_good or (bad and named):
        return []
    why = "; ".join(filter(None, (", ".join(row.labels or ()), row.comment)))
    return [GoldLabel(row=row.id, system=name, good=all_good, why=why) for name in rivals]


def _winner(row: Row) -> list[Preference]:
    """The one rival that the labels name, over each of the others."""
    rivals = _rivals(row)
    named = [name for name in rivals if _says(row, (fold(name),))]
    if len(named) != 1 or _says(row, (*_BAD, *_OFF_TOPIC)):
        return []
    others = [name for name in rivals if name != named[0]]
    return [Preference(row=row.id, better=named[0], worse=name) for name in others]
