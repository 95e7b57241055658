"""People's labels of the logged answers: gold for the judge, preferences, the best answers.

A label compares two answers. "Both good" and "both bad" are gold for each of them; a winner is only
better than the other answer. The production answer was not compared and has no gold.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from data.records import Record
from data.rows import PRODUCTION, Row
from data.splits import split_by_question
from judge.checks.text import fold

Half = Literal["tune", "report"]

_GOOD = ("оба хорошо", "both good")
_BAD = ("оба плохо", "both bad")
_OFF_TOPIC = ("вопрос не по теме", "off topic")


class GoldLabel(Record):
    """People's verdict on one logged answer."""

    row: str
    system: str
    good: bool
    why: str  # the labels, and the comment where there is one


class Preference(Record):
    """A pair of logged answers of which people preferred one; neither need be good."""

    row: str
    better: str  # answering system
    worse: str


class GoldCounts(Record):
    """What the labels of the logged answers say, in numbers."""

    good: int  # answers
    bad: int
    preferences: int  # pairs with a winner; no gold, used for biases
    off_topic: int  # rows: a refusal is expected, so neither answer has gold
    unclear: int  # rows whose labels contradict each other or name no system
    unlabelled: int
    comments: int  # labelled rows with a comment


class LoggedLabels(NamedTuple):
    """The labels of some rows."""

    gold: Sequence[GoldLabel]
    preferences: Sequence[Preference]
    counts: GoldCounts


def read_labels(rows: Sequence[Row]) -> LoggedLabels:
    """The gold and the preferences in the rows' labels.

    An answer that cleaning emptied (a provider's stub) has neither.
    """
    by_row = [_row_labels(row) for row in rows]
    gold = [label for labels, _ in by_row for label in labels]
    preferences = [pair for _, pairs in by_row for pair in pairs]
    off_topic = {row.id for row in rows if _labels_contain(row, _OFF_TOPIC)}
    clear = off_topic | {label.row for label in gold} | {pair.row for pair in preferences}
    labelled = [row for row in rows if row.labels]
    good = sum(label.good for label in gold)
    counts = GoldCounts(
        good=good,
        bad=len(gold) - good,
        preferences=len(preferences),
        off_topic=len(off_topic),
        unclear=sum(row.id not in clear and len(_rivals(row)) > 1 for row in labelled),
        unlabelled=len(rows) - len(labelled),
        comments=sum(bool(row.comment) for row in labelled),
    )
    return LoggedLabels(gold, preferences, counts)


def halves(rows: Sequence[Row], seed: int) -> dict[str, Half]:
    """Row id → its half; rows with one question share a half.

    Uses seed + 1: val was split off by the same order of questions under `seed`, so it would be
    entirely in one half.
    """
    tune, report = split_by_question(rows, 0.5, seed + 1)
    tuned: dict[str, Half] = {row.id: "tune" for row in tune}
    return {**tuned, **{row.id: "report" for row in report}}


def best_by_row(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The best logged answers by row id; rows without any are left out."""
    best = {row.id: best_logged(row) for row in rows}
    return {row: texts for row, texts in best.items() if texts}


def best_logged(row: Row) -> list[str]:
    """The logged answers that the labels call best: one, all rivals when all are good, or none.

    Without a label that names a system, the production answer is taken, where there is one.
    """
    rivals = [name for name in row.answers if name != PRODUCTION]
    names = rivals if _labels_contain(row, _GOOD) else _named(row, rivals)
    texts = [row.answers[name] for name in names or [PRODUCTION] if name in row.answers]
    return [text for text in texts if text.strip()]


def _rivals(row: Row) -> list[str]:
    return [name for name, text in row.answers.items() if name != PRODUCTION and text.strip()]


def _named(row: Row, systems: Sequence[str]) -> list[str]:
    """The systems whose name a label contains ("GigaChat" → giga)."""
    return [name for name in systems if _labels_contain(row, (fold(name),))]


def _labels_contain(row: Row, phrases: Sequence[str]) -> bool:
    return any(phrase in fold(label) for label in row.labels or () for phrase in phrases)


def _row_labels(row: Row) -> tuple[list[GoldLabel], list[Preference]]:
    """Gold of every rival when the labels call all good, or all bad.

    A preference over each of the others when they name one rival alone.
    """
    rivals = _rivals(row)
    named = _named(row, rivals)
    good, bad = _labels_contain(row, _GOOD), _labels_contain(row, _BAD)
    if len(named) == 1 and not bad and not _labels_contain(row, _OFF_TOPIC):
        others = [name for name in rivals if name != named[0]]
        return [], [Preference(row=row.id, better=named[0], worse=name) for name in others]
    if named or good == bad:
        return [], []
    why = "; ".join(filter(None, (", ".join(row.labels or ()), row.comment)))
    return [GoldLabel(row=row.id, system=name, good=good, why=why) for name in rivals], []
