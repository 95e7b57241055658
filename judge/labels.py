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


class LoggedLabels(NamedTuple):
    """The labels of some rows."""

    gold: tuple[GoldLabel, ...]
    preferences: tuple[Preference, ...]
    off_topic: tuple[str, ...]  # row ids: a refusal is expected, so neither answer has gold
    unclear: tuple[str, ...]  # row ids whose labels contradict each other or name no system
    unlabelled: tuple[str, ...]
    comments: int  # labelled rows with a comment


def read_labels(rows: Sequence[Row]) -> LoggedLabels:
    """The gold and the preferences in the rows' labels.

    An answer that cleaning emptied (a provider's stub) has neither.
    """
    gold: list[GoldLabel] = []
    preferences: list[Preference] = []
    off_topic, unclear, unlabelled = [], [], []
    for row in rows:
        if not row.labels:
            unlabelled.append(row.id)
            continue
        row_gold, row_preferences = _gold_labels(row), _preferences(row)
        gold += row_gold
        preferences += row_preferences
        if _labels_contain(row, _OFF_TOPIC):
            off_topic.append(row.id)
        elif not row_gold and not row_preferences and len(_rivals(row)) > 1:
            unclear.append(row.id)
    return LoggedLabels(
        tuple(gold),
        tuple(preferences),
        tuple(off_topic),
        tuple(unclear),
        tuple(unlabelled),
        comments=sum(bool(row.labels and row.comment) for row in rows),
    )


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
    names = _preferred(row) or [PRODUCTION]
    texts = [row.answers[name] for name in names if name in row.answers]
    return [text for text in texts if text.strip()]


def _preferred(row: Row) -> list[str]:
    """The rival systems that the labels call best.

    A label counts for every system whose name it contains ("GigaChat" → giga).
    """
    rivals = [name for name in row.answers if name != PRODUCTION]
    return rivals if _labels_contain(row, _GOOD) else _named(row, rivals)


def _rivals(row: Row) -> list[str]:
    return [name for name, text in row.answers.items() if name != PRODUCTION and text.strip()]


def _named(row: Row, systems: Sequence[str]) -> list[str]:
    return [name for name in systems if _labels_contain(row, (fold(name),))]


def _labels_contain(row: Row, phrases: Sequence[str]) -> bool:
    return any(phrase in fold(label) for label in row.labels or () for phrase in phrases)


def _gold_labels(row: Row) -> list[GoldLabel]:
    """Gold of every rival when the labels call all good, or all bad; else none."""
    rivals = _rivals(row)
    named = _named(row, rivals)
    bad = _labels_contain(row, _BAD)
    all_good = bool(rivals) and set(rivals) <= set(_preferred(row)) and not named
    if bad == all_good or (bad and named):
        return []
    why = "; ".join(filter(None, (", ".join(row.labels or ()), row.comment)))
    return [GoldLabel(row=row.id, system=name, good=all_good, why=why) for name in rivals]


def _preferences(row: Row) -> list[Preference]:
    """The only rival that the labels name, over each of the others."""
    rivals = _rivals(row)
    named = _named(row, rivals)
    if len(named) != 1 or _labels_contain(row, (*_BAD, *_OFF_TOPIC)):
        return []
    others = [name for name in rivals if name != named[0]]
    return [Preference(row=row.id, better=named[0], worse=name) for name in others]
