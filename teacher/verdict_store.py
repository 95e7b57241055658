"""The verdicts on a file of answers, stored beside it so that every answer is scored once.

A key hashes everything that the verdicts depend on: after a change of rules, prompt, row or judge
no stored key matches, and the answers are scored again.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from data.answers import verdicts_path
from data.jsonl import JsonlFile
from data.records import Record
from judge.verdict import Verdict


class AnswerVerdicts(Record):
    """All verdicts on one answer."""

    key: str
    verdicts: tuple[Verdict, ...]


class VerdictStore:
    """The verdicts on one file of answers, read from disk by key. Used as a context manager.

    A normal exit leaves the verdicts that were read or written, in the order of their first use; an
    exception leaves all that were stored.
    """

    def __init__(self, answers: Path) -> None:
        """`answers`: their file. Raises DataError when another process is writing the verdicts, or
        a line is invalid."""
        self._file = JsonlFile(verdicts_path(answers), AnswerVerdicts)
        self._offsets: dict[str, int] = {}  # key → byte at which its record begins
        self._used: dict[str, int] = {}  # the same, in the order of first use
        self._records = 0  # in the file, replaced ones included
        try:
            for offset, record in self._file.records_with_offsets():
                self._offsets[record.key] = offset
                self._records += 1
        except BaseException:
            self._file.close()
            raise

    def get(self, key: str) -> Sequence[Verdict] | None:
        """The stored verdicts; None when there are none under this key."""
        offset = self._offsets.get(key)
        if offset is None:
            return None
        self._used[key] = offset
        return self._file.read(offset).verdicts

    def __setitem__(self, key: str, verdicts: Sequence[Verdict]) -> None:
        """Stores verdicts; they replace earlier ones under the same key."""
        record = AnswerVerdicts(key=key, verdicts=tuple(verdicts))
        self._offsets[key] = self._used[key] = self._file.append(record)
        self._records += 1

    def __enter__(self) -> "VerdictStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            offsets = list(self._used.values())
            in_order = len(offsets) == self._records and offsets == sorted(offsets)
            if error is None and not in_order:
                self._file.rearrange(offsets)
        finally:
            self._file.__exit__(kind, error, trace)
