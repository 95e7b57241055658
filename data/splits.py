"""Splits by question, and the questions that train shares with the other splits.

The same question never occurs in two splits. Near duplicates are reported and stay.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from data.near_duplicates import nearest_duplicates
from data.records import Record


class RowKey(NamedTuple):
    """What tells rows and their questions apart."""

    id: str
    key: str  # question key
    opening: str | None = None  # question key of its conversation's first turn; None: its own

    @property
    def conversation(self) -> str:
        """Equal for rows of one conversation, which must not be split."""
        return self.key if self.opening is None else self.opening


class LeakedPair(Record):
    """A train question, and the most similar one in another split."""

    train: str  # row id
    other: str  # row id
    similarity: float  # 0 … 1


class Leakage(Record):
    """Questions that train shares with another split."""

    exact: tuple[LeakedPair, ...]  # every train row whose question occurs in the other split
    near: tuple[LeakedPair, ...]  # per near question: its first train row and the nearest one


def held_out_questions(keys: Iterable[str], fraction: float, seed: int) -> set[str]:
    """The question keys that go to val: `fraction` of the distinct ones.

    Depends on the questions and the seed only, not on the order. With two or more questions
    neither side is empty, unless the fraction is 0 or 1.
    """
    ranked = sorted(set(keys), key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode()).digest())
    count = round(fraction * len(ranked))
    if 0 < fraction < 1 and len(ranked) > 1:
        count = min(max(count, 1), len(ranked) - 1)
    return set(ranked[:count])


def measure_leakage(train: Iterable[RowKey], other: Iterable[RowKey], threshold: float) -> Leakage:
    """The questions that both contain, and the pairs of at least `threshold` similarity."""
    train_rows, other_ids = list(train), _first_ids(other)
    exact = [
        LeakedPair(train=row.id, other=other_ids[row.key], similarity=1.0)
        for row in train_rows
        if row.key in other_ids
    ]
    train_ids = {key: row for key, row in _first_ids(train_rows).items() if key not in other_ids}
    nearest = nearest_duplicates(train_ids, other_ids, threshold)
    near = [
        LeakedPair(
            train=row, other=other_ids[nearest[key][0]], similarity=round(nearest[key][1], 4)
        )
        for key, row in train_ids.items()
        if key in nearest
    ]
    return Leakage(exact=tuple(exact), near=tuple(near))


def _first_ids(rows: Iterable[RowKey]) -> dict[str, str]:
    """Question key → id of its first row."""
    ids: dict[str, str] = {}
    for row in rows:
        ids.setdefault(row.key, row.id)
    return ids
