"""What is taken out of logged answers, and what is counted beside it.

A row is never dropped for its logged answers: its question is still worth asking. Duplicates are
listed here and dropped by the caller, from train alone. An answer that looks cut is only counted.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from config.errors import ConfigError
from config.log_formats import DataSettings
from data.records import Record
from data.rows import FollowUp, Row
from data.splits import question_key

FOLLOWUP = "followup"  # the production system's answer in the second turn

_LINK = re.compile(r"(?:(?:https?://|www\.)\S+|\S+@\S+\.\w+)$")
_MARKUP = "*_~` \t\r\n"  # may close an answer after its last sentence
_ENDS = frozenset(".!?…。！？)]}>»\"'”’›")


class Duplicate(Record):
    """A row that asks the same question with the same passages as an earlier one."""

    row: str
    of: str  # id of the first such row


class CleanCounts(Record):
    """What was found in one split's logged answers, by answering system."""

    footers: dict[str, int]  # stripped
    stubs: dict[str, int]  # dropped
    empty: dict[str, int]  # dropped; nothing left, with or without a footer
    cut: dict[str, int]  # kept; ends in the middle of something
    duplicates: tuple[Duplicate, ...]


class Cleaned(NamedTuple):
    """The cleaned rows, as many as there were, and what was counted."""

    rows: tuple[Row, ...]
    counts: CleanCounts


class _Cleaner:
    """Cleans one answer at a time and counts. Raises ConfigError on a broken pattern."""

    def __init__(self, settings: DataSettings) -> None:
        footer = settings.footer
        self._footer = None if footer is None else _compiled("data.footer", footer)
        self._stubs = [
            _compiled(f"data.stubs.{at}", stub) for at, stub in enumerate(settings.stubs)
        ]
        self.footers: Counter[str] = Counter()
        self.stubs: Counter[str] = Counter()
        self.empty: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()

    def row(self, row: Row) -> Row:
        """The row with its logged answers cleaned, less those that are none."""
        answers = {system: self._answer(system, text) for system, text in row.answers.items()}
        kept = {system: text for system, text in answers.items() if text is not None}
        return row.model_copy(update={"answers": kept, "followup": self._followup(row.followup)})

    def _followup(self, turn: FollowUp | None) -> FollowUp | None:
        if turn is None or turn.answer is None:
            return turn
        answer = self._answer(FOLLOWUP, turn.answer)
        if answer is None and turn.question is None and not turn.contexts:
            return None
        return turn.model_copy(update={"answer": answer})

    def _answer(self, system: str, text: str) -> str | None:
        for counter in (self.footers, self.stubs, self.empty, self.cut):
            counter[system] += 0  # a system without any is written as 0
        if self._footer is not None:
            text, count = self._footer.subn("", text)
            self.footers[system] += bool(count)
            text = text.rstrip() if count else text
        if not text.strip():
            self.empty[system] += 1
            return None
        if any(stub.search(text) for stub in self._stubs):
            self.stubs[system] += 1
            return None
        self.cut[system] += looks_cut(text)
        return text


def clean(rows: Sequence[Row], settings: DataSettings) -> Cleaned:
    """The rows with footers stripped off logged answers, and stubs and empty answers taken out.

    Raises ConfigError when a pattern in the settings is no regular expression.
    """
    cleaner = _Cleaner(settings)
    cleaned = tuple(cleaner.row(row) for row in rows)
    counts = CleanCounts(
        footers=dict(cleaner.footers),
        stubs=dict(cleaner.stubs),
        empty=dict(cleaner.empty),
        cut=dict(cleaner.cut),
        duplicates=duplicates(rows),
    )
    return Cleaned(cleaned, counts)


def duplicates(rows: Sequence[Row]) -> tuple[Duplicate, ...]:
    """The rows whose question and passages an earlier row has."""
    first: dict[tuple[str, ...], str] = {}
    found = []
    for row in rows:
        key = (question_key(row), *(context.text for context in row.contexts))
        of = first.setdefault(key, row.id)
        if of != row.id:
            found.append(Duplicate(row=row.id, of=of))
    return tuple(found)


def looks_cut(text: str) -> bool:
    """Whether an answer ends neither in a sentence's end, a bracket or quote, a link nor a sign."""
    text = text.rstrip(_MARKUP)
    if not text or text[-1] in _ENDS or _LINK.search(text):
        return False
    return unicodedata.category(text[-1]) not in ("So", "Sk")  # an emoji, and what colours it


def _compiled(setting: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"{setting} = {pattern!r}: no regular expression: {error}; mend it"
        ) from None
