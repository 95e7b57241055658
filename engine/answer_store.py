"""A file of answers with an index in memory: by number, by request, and by row and sample.

Answers are numbered in the order in which they arrive. The index takes about 150 bytes each, so a
million answers of any length take 150 MB; the answers themselves stay on disk.
"""

import hashlib
from array import array
from collections.abc import Callable, Sequence
from itertools import count
from operator import eq
from pathlib import Path
from typing import get_args

from data.answers import Answer, Finish
from data.jsonl import JsonlFile

_FINISHES: tuple[Finish, ...] = get_args(Finish)


class AnswerStore:
    """The answers of one file. It must be closed."""

    def __init__(self, path: Path) -> None:
        """Raises DataError when another process writes the file, or a line is not an answer."""
        self._file = JsonlFile(path, Answer)
        try:
            self._build_index()
        except BaseException as error:
            self._file.__exit__(type(error), error, None)
            raise

    def _build_index(self) -> None:
        self._offsets = array("q")  # number → byte offset of its line
        self._owners = array("Q")  # number → hash of row and sample
        self._finishes = bytearray()  # number → index in _FINISHES
        self._reasoning = bytearray()  # number → 1: reasoning was cut off
        self._by_request: dict[bytes, int] = {}  # request → number of its first answer
        self._others: dict[tuple[bytes, int], int] = {}  # (request, owner) → further answers
        for offset, answer in self._file.records_with_offsets():
            self._index(offset, answer)

    def __contains__(self, key: object) -> bool:
        """Whether the request with this key has an answer."""
        return isinstance(key, str) and _short_key(key) in self._by_request

    def finish(self, number: int) -> Finish:
        """The finish reason of an answer."""
        return _FINISHES[self._finishes[number]]

    def reasoning_cut(self, number: int) -> bool:
        """Whether reasoning was cut off an answer."""
        return bool(self._reasoning[number])

    def find(self, key: str, row: str, sample: int) -> int | None:
        """The number of the answer to a request for this row and sample."""
        short_key, owner = _short_key(key), _owner(row, sample)
        number = self._by_request.get(short_key)
        if number is None or self._owners[number] == owner:
            return number
        return self._others.get((short_key, owner))

    def find_any(self, key: str) -> int | None:
        """The number of an answer to a request, for any row."""
        return self._by_request.get(_short_key(key))

    def read(self, number: int) -> Answer:
        """Reads an answer from disk."""
        return self._file.read(self._offsets[number])

    def append(self, answer: Answer) -> int:
        """Stores an answer; returns its number. Raises DataError when the disk is full."""
        return self._index(self._file.append(answer), answer)

    def drop(self, is_unwanted: Callable[[Answer], bool]) -> None:
        """Drops the unwanted answers and numbers the others anew."""
        self.rearrange(
            [number for number in range(len(self._offsets)) if not is_unwanted(self.read(number))]
        )

    def rearrange(self, order: Sequence[int]) -> None:
        """Reduces the file to the answers with these numbers and numbers them in this order.

        Raises DataError when the disk is full; the file then stays as it was.
        """
        if len(order) == len(self._offsets) and all(map(eq, order, count())):
            return
        self._file.rearrange(self._offsets[number] for number in order)
        self._build_index()

    def close(self) -> None:
        """Syncs and releases the file."""
        self._file.close()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._file.__exit__(kind, error, trace)

    def _index(self, offset: int, answer: Answer) -> int:
        number = len(self._offsets)
        short_key, owner = _short_key(answer.key), _owner(answer.row, answer.sample)
        self._offsets.append(offset)
        self._owners.append(owner)
        self._finishes.append(_FINISHES.index(answer.finish))
        self._reasoning.append(answer.reasoning_cut)
        first = self._by_request.setdefault(short_key, number)
        if self._owners[first] == owner:
            self._by_request[short_key] = number  # of two for one row and sample the later counts
        else:
            self._others[short_key, owner] = number
        return number


def _short_key(key: str) -> bytes:
    """120 bits of a key: a collision among a million has probability 10^-24."""
    return hashlib.blake2b(key.encode(), digest_size=15).digest()


def _owner(row: str, sample: int) -> int:
    """64 bits, compared only among the answers to one request."""
    name = f"{row}\0{sample}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
