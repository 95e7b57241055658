"""Cleans logged answers: strips footers, drops stubs and empty answers, counts truncated ones.

No row is dropped for its logged answers: its question is still useful. Duplicate rows are listed
here; the caller drops them, from train only.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from config.errors import ConfigError
from config.log_formats import DataSettings
from data.records import Record, digest
from data.rows import FollowUp, Row, question_key
from data.visible_text import has_visible_text

FOLLOW_UP = "follow_up"  # key of the second turn's answer in the counts

_LINK = re.compile(r"(?:(?:https?://|www\.)\S+|\S+@\S+\.\w+)$")
_MARKUP = "*_~` \t\r\n"  # may follow the last sentence of an answer
_ENDS = frozenset(".!?…。！？｡।॥؟۔։።។။)]}>»\"'”’›」』）】》")


class Duplicate(Record):
    """A row with the same question and passages as an earlier one."""

    row: str
    of: str  # id of the first such row


class CleanCounts(Record):
    """The logged answers of one split that cleaning changed or noted, by answering system."""

    footers: dict[str, int]  # stripped
    stubs: dict[str, int]  # dropped
    empty: dict[str, int]  # dropped: no text, with or without a footer
    truncated: dict[str, int]  # not dropped; they look cut off
    duplicates: tuple[Duplicate, ...]


class RowCleaner:
    """Strips footers from logged answers, drops stubs and empty answers, and counts them.

    Raises ConfigError when a pattern in the settings is not a regular expression.
    """

    def __init__(self, settings: DataSettings) -> None:
        footer = settings.footer
        self._footer = None if footer is None else _compile("data.footer", footer)
        self._stubs = [
            _compile(f"data.stubs.{index}", stub) for index, stub in enumerate(settings.stubs)
        ]
        self._counts = {name: Counter[str]() for name in ("footers", "stubs", "empty", "truncated")}

    def clean_row(self, row: Row) -> Row:
        """The row with clean answers, without those that are dropped."""
        answers = {system: self._clean(system, text) for system, text in row.answers.items()}
        usable = {system: text for system, text in answers.items() if text is not None}
        follow_up = self._clean_follow_up(row.follow_up)
        return row.model_copy(update={"answers": usable, "follow_up": follow_up})

    def _clean_follow_up(self, turn: FollowUp | None) -> FollowUp | None:
        if turn is None or turn.answer is None:
            return turn
        answer = self._clean(FOLLOW_UP, turn.answer)
        if answer is None and turn.question is None and not turn.contexts:
            return None
        return turn.model_copy(update={"answer": answer})

    def _clean(self, system: str, text: str) -> str | None:
        for counter in self._counts.values():
            counter[system] += 0  # so that every system is reported
        if self._footer is not None:
            text, count = self._footer.subn("", text)
            self._counts["footers"][system] += bool(count)
            text = text.rstrip() if count else text
        if not has_visible_text(text):
            self._counts["empty"][system] += 1
            return None
        if any(stub.search(text) for stub in self._stubs):
            self._counts["stubs"][system] += 1
            return None
        self._counts["truncated"][system] += looks_truncated(text)
        return text

    def counts(self, duplicates: Iterable[Duplicate]) -> CleanCounts:
        """The counts of all rows until now; the caller knows which rows are duplicates."""
        counts = {name: dict(counter) for name, counter in self._counts.items()}
        return CleanCounts(**counts, duplicates=tuple(duplicates))


def view_digest(row: Row) -> bytes:
    """Equal for rows with the same question and passages, 16 bytes."""
    return bytes.fromhex(digest([question_key(row), *(part.text for part in row.contexts)]))[:16]


def looks_truncated(text: str) -> bool:
    """Whether an answer ends in none of: punctuation, bracket, quote, link, emoji."""
    text = text.rstrip(_MARKUP)
    if not text or text[-1] in _ENDS or _LINK.search(text):
        return False
    return unicodedata.category(text[-1]) not in ("So", "Sk")  # an emoji, or its skin tone


def _compile(setting: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"{setting} = {pattern!r}: not a regular expression: {error}; correct it"
        ) from None
