"""Which answers a file holds and where each one lies, without holding any of them.

An answer has a number: how many came before it. About 150 bytes are kept for each, so that a
million answers, whatever their length, take 150 MB; the answers themselves stay on disk.
"""

import hashlib
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import get_args

from data.answers import Answer, Finish
from data.jsonl import JsonlFile

_FINISHES: tuple[Finish, ...] = get_args(Finish)
_GONE = -1  # where an answer lies that was dropped


class AnswerStore:
    """The answers of one file, by number, by request, and by whose they are. To be closed."""

    def __init__(self, path: Path) -> None:
        """Raises DataError when another process is writing the file, or a line is no answer."""
        self._lines = JsonlFile(path, Answer)
        self._starts = array("q")  # number → byte at which its line begins
        self._owners = array("Q")  # number → hash of row and sample
        self._finishes = bytearray()  # number → place in _FINISHES
        self._first: dict[bytes, int] = {}  # request → number of the answer that came for it
        self._others: dict[tuple[bytes, int], int] = {}  # of the same request for other rows
        try:
            for start, answer in self._lines.records_with_offsets():
                self._note(start, answer)
        except BaseException:
            self._lines.close()
            raise

    def __len__(self) -> int:
        """How many answers were ever noted, dropped ones included: the next number."""
        return len(self._starts)

    def __contains__(self, key: object) -> bool:
        """Whether a request of this key has an answer."""
        return isinstance(key, str) and _short(key) in self._first

    def drawn(self) -> int:
        """How many requests have an answer that a model gave."""
        unasked = _FINISHES.index("too_long")
        return sum(self._finishes[number] != unasked for number in self._first.values())

    def finish(self, number: int) -> Finish:
        """How an answer ended."""
        return _FINISHES[self._finishes[number]]

    def find(self, key: str, row: str, sample: int) -> int | None:
        """The number of a row's answer to a request."""
        short, owner = _short(key), _owner(row, sample)
        number = self._first.get(short)
        if number is None or self._owners[number] == owner:
            return number
        return self._others.get((short, owner))

    def first(self, key: str) -> int | None:
        """The number of an answer to a request, whosever it is."""
        return self._first.get(_short(key))

    def read(self, number: int) -> Answer:
        """An answer, from the disk."""
        return self._lines.read(self._starts[number])

    def append(self, answer: Answer) -> int:
        """Stores an answer; returns its number. Raises DataError when the disk is full."""
        return self._note(self._lines.append(answer), answer)

    def drop(self, unwanted: Callable[[int, Answer], bool]) -> None:
        """Drops the answers of which this is true; the others keep their order and numbers."""
        numbers = [number for number, start in enumerate(self._starts) if start != _GONE]
        numbers.sort(key=self._starts.__getitem__)
        kept = array("q", (one for one in numbers if not unwanted(one, self.read(one))))
        if len(kept) < len(numbers):
            self.arrange(kept)

    def arrange(self, order: Sequence[int]) -> None:
        """Makes the file hold the answers of these numbers in this order, and no others.

        Raises DataError when the disk is full; the file is then as it was.
        """
        if len(order) == len(self) and all(at == number for at, number in enumerate(order)):
            return
        moved = self._lines.rearrange(self._starts[number] for number in order)
        self._starts = array("q", [_GONE]) * len(self)
        for number, start in zip(order, moved, strict=True):
            self._starts[number] = start
        self._forget()

    def close(self) -> None:
        """Syncs and releases the file."""
        self._lines.close()

    def end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """As a context of the file would end: under an error nothing more is written."""
        self._lines.__exit__(kind, error, trace)

    def _note(self, start: int, answer: Answer) -> int:
        number = len(self._starts)
        short, owner = _short(answer.key), _owner(answer.row, answer.sample)
        self._starts.append(start)
        self._owners.append(owner)
        self._finishes.append(_FINISHES.index(answer.finish))
        before = self._first.setdefault(short, number)
        if self._owners[before] == owner:
            self._first[short] = number  # of two for one place the later counts
        else:
            self._others[short, owner] = number
        return number

    def _forget(self) -> None:
        """Takes the dropped answers out of the dictionaries."""
        self._others = {at: n for at, n in self._others.items() if self._starts[n] != _GONE}
        heirs = {short: number for (short, _), number in self._others.items()}
        for short in [at for at, n in self._first.items() if self._starts[n] == _GONE]:
            del self._first[short]
            if short in heirs:
                self._first[short] = heirs[short]


def _short(key: str) -> bytes:
    """120 bits of a key: among a million no two are alike by chance (1 in 10^24)."""
    return hashlib.blake2b(key.encode(), digest_size=15).digest()


def _owner(row: str, sample: int) -> int:
    """64 bits, compared only among the answers to one request."""
    name = f"{row}\0{sample}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
