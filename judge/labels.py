"""People's labels of the logged answers: gold for the judge, preferences, the best answers.

A label compares two answers. "Both good" and "both bad" are gold for each of them; a winner is only
better than the other answer. The production answer was not compared and has no gold. A label map
(`data.label_meaning`) adds words of one's own; where a log has one system alone, they are about it.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from data.label_meaning import named_systems, row_meanings, unknown_labels
from data.records import Record
from data.rows import PRODUCTION, Row, question_key
from data.splits import held_out_questions
from data.visible_text import has_visible_text

Half = Literal["tune", "report"]


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
    unknown: dict[str, int] = {}  # label that means nothing known → rows, the most frequent first


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
    off_topic = {row.id for row in rows if "off_topic" in row_meanings(row)}
    clear = off_topic | {label.row for label in gold} | {pair.row for pair in preferences}
    labelled = [row for row in rows if row.labels]
    good = sum(label.good for label in gold)
    counts = GoldCounts(
        good=good,
        bad=len(gold) - good,
        preferences=len(preferences),
        off_topic=len(off_topic),
        unclear=sum(row.id not in clear and _can_be_unclear(row) for row in labelled),
        unlabelled=len(rows) - len(labelled),
        comments=sum(bool(row.comment) for row in labelled),
        unknown=unknown_labels(rows),
    )
    return LoggedLabels(gold, preferences, counts)


def halves(rows: Sequence[Row], seed: int) -> dict[str, Half]:
    """Row id → its half; rows with one question share a half.

    Uses seed + 1: val was split off by the same order of questions under `seed`, so it would be
    entirely in one half.
    """
    report = held_out_questions(map(question_key, rows), 0.5, seed + 1)
    return {row.id: "report" if question_key(row) in report else "tune" for row in rows}


def best_by_row(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The best logged answers by row id; rows without any are left out."""
    best = {row.id: best_logged(row) for row in rows}
    return {row: texts for row, texts in best.items() if texts}


def best_logged(row: Row) -> list[str]:
    """The logged answers that the labels call best: one, all rivals when all are good, or none.

    Without a label that names a system, the production answer is taken, where there is one.
    """
    rated = _rated(row)
    meanings = row_meanings(row)
    names = rated if "good" in meanings else _named(row, rated)
    if not names and not (PRODUCTION in rated and "bad" in meanings):
        names = [PRODUCTION]
    texts = [row.answers[name] for name in names if name in row.answers]
    return [text for text in texts if has_visible_text(text)]


def _rated(row: Row) -> list[str]:
    """The systems that the labels are about, and whose answers the row has."""
    if row.rating is not None:
        return [name for name in row.rating.systems if row.answers.get(name, "").strip()]
    names = row.answers.items()
    return [name for name, text in names if name != PRODUCTION and text.strip()]


def _can_be_unclear(row: Row) -> bool:
    """Whether the labels compare answers, or a map gives them meanings that contradict."""
    return len(_rated(row)) > 1 or len(row_meanings(row)) > 1


def _named(row: Row, systems: Sequence[str]) -> list[str]:
    """The systems that the labels name ("GigaChat" → giga)."""
    named = {name for label in row.labels or () for name in named_systems(label, systems)}
    return [name for name in systems if name in named]


def _row_labels(row: Row) -> tuple[list[GoldLabel], list[Preference]]:
    """Gold of every rated answer when the labels call all good, or all bad.

    A preference over each of the others when they name one of several alone.
    """
    rated, meanings = _rated(row), row_meanings(row)
    named = _named(row, rated)
    good, bad = "good" in meanings, "bad" in meanings
    if len(named) == 1 and not bad and "off_topic" not in meanings:
        others = [name for name in rated if name != named[0]]
        return [], [Preference(row=row.id, better=named[0], worse=name) for name in others]
    if named or good == bad:
        return [], []
    why = "; ".join(filter(None, (", ".join(row.labels or ()), row.comment)))
    return [GoldLabel(row=row.id, system=name, good=good, why=why) for name in rated], []
