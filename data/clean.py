"""Cleans logged answers: strips footers, drops stubs and empty answers, counts truncated ones.

No row is dropped for its logged answers: its question is still useful. Duplicate rows are listed
here; the caller drops them, from train only.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from config.errors import ConfigError
from config.log_formats import DataSettings
from data.bounded_regex import SlowRegex, compile_pattern, search, without_matches
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

    Raises ConfigError when a pattern in the settings is not a regular expression, or takes too long
    on an answer.
    """

    def __init__(self, settings: DataSettings) -> None:
        self._footer = settings.footer
        self._stubs = {f"data.stubs.{index}": stub for index, stub in enumerate(settings.stubs)}
        for setting, pattern in ({"data.footer": settings.footer} | self._stubs).items():
            _check_pattern(setting, pattern)
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
            with _named("data.footer"):
                without_footer = without_matches(self._footer, text)
            self._counts["footers"][system] += without_footer != text
            text = without_footer.rstrip() if without_footer != text else text
        if not has_visible_text(text):
            self._counts["empty"][system] += 1
            return None
        if any(_occurs(setting, stub, text) for setting, stub in self._stubs.items()):
            self._counts["stubs"][system] += 1
            return None
        self._counts["truncated"][system] += looks_truncated(text)
        return text

    def counts(self, duplicates: Iterable[Duplicate]) -> CleanCounts:
        """The counts of all rows until now; the caller knows which rows are duplicates."""
        counts = {name: dict(counter) for name, counter in self._counts.items()}
        return CleanCounts(**counts, duplicates=tuple(duplicates))


def view_digest(row: Row) -> bytes:
    """Equal for rows with the same question, passages and earlier turns, 16 bytes."""
    view: list[object] = [question_key(row), *(part.text for part in row.contexts)]
    if row.history:
        view.append([turn.model_dump() for turn in row.history])
    return bytes.fromhex(digest(view))[:16]


def looks_truncated(text: str) -> bool:
    """Whether an answer ends in none of: punctuation, bracket, quote, link, emoji."""
    text = text.rstrip(_MARKUP)
    if not text or text[-1] in _ENDS or _LINK.search(text):
        return False
    return unicodedata.category(text[-1]) not in ("So", "Sk")  # an emoji, or its skin tone


def _check_pattern(setting: str, pattern: str | None) -> None:
    try:
        compile_pattern(pattern or "")
    except ValueError as error:
        raise ConfigError(
            f"{setting} = {pattern!r}: not a regular expression: {error}; correct it"
        ) from None


def _occurs(setting: str, pattern: str, text: str) -> bool:
    with _named(setting):
        return search(pattern, text) is not None


@contextmanager
def _named(setting: str) -> Iterator[None]:
    """An expression that is too slow is named by its setting."""
    try:
        yield
    except SlowRegex as error:
        raise ConfigError(f"{setting}: {error}") from None
