"""The verdicts on a file of answers, stored beside it so that every answer is scored once.

A key hashes everything that the verdicts depend on: after a change of rules, prompt, row or judge
no stored key matches, and the answers are scored again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from data.answers import verdicts_path
from data.jsonl import JsonlFile
from data.records import Record
from judge.verdict import Verdict


class AnswerVerdicts(Record):
    """All verdicts on one answer."""

    key: str
    verdicts: tuple[Verdict, ...]


class VerdictStore:
    """Verdicts by key, read from their file when they are asked for."""

    def __init__(self, file: JsonlFile[AnswerVerdicts]) -> None:
        """Raises DataError naming an invalid line."""
        self._file = file
        self._offsets: dict[str, int] = {}  # key → byte at which its record begins
        self._used: dict[str, int] = {}  # the same, in the order of first use
        self._records = 0  # in the file, replaced ones included
        for offset, record in file.records_with_offsets():
            self._offsets[record.key] = offset
            self._records += 1

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

    def drop_unused(self) -> None:
        """Leaves the verdicts that were read or written, in the order of their first use."""
        offsets = list(self._used.values())
        if len(offsets) < self._records or offsets != sorted(offsets):
            self._file.rearrange(offsets)


@contextmanager
def open_verdicts(answers: Path) -> Iterator[VerdictStore]:
    """The verdicts on a file of answers. A normal exit drops unused ones; an exception keeps all.

    Raises DataError when another process is writing them.
    """
    with JsonlFile(verdicts_path(answers), AnswerVerdicts) as file:
        store = VerdictStore(file)
        yield store
        store.drop_unused()
