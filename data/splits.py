"""Splits by question, and the questions that train shares with the other splits.

The same question never occurs in two splits. Near duplicates are reported and stay.
"""

import hashlib
from collections.abc import Sequence

from data.near_duplicates import nearest_duplicates
from data.records import Record
from data.rows import Row, question_key


class LeakedPair(Record):
    """A train question, and the most similar one in another split."""

    train: str  # row id
    other: str  # row id
    similarity: float  # 0 … 1


class Leakage(Record):
    """Questions that train shares with another split."""

    exact: tuple[LeakedPair, ...]  # every train row whose question occurs in the other split
    near: tuple[LeakedPair, ...]  # per near question: its first train row and the nearest one


def split_by_question(
    rows: Sequence[Row], fraction: float, seed: int
) -> tuple[list[Row], list[Row]]:
    """Train and val, in the rows' order: `fraction` of the distinct questions goes to val.

    Depends on the questions and the seed only, not on the order. With two or more questions
    neither side is empty, unless the fraction is 0 or 1.
    """
    keys = {question_key(row) for row in rows}
    ranked = sorted(keys, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode()).digest())
    count = round(fraction * len(ranked))
    if 0 < fraction < 1 and len(ranked) > 1:
        count = min(max(count, 1), len(ranked) - 1)
    held_out = set(ranked[:count])
    train = [row for row in rows if question_key(row) not in held_out]
    return train, [row for row in rows if question_key(row) in held_out]


def measure_leakage(train: Sequence[Row], other: Sequence[Row], threshold: float) -> Leakage:
    """The questions that both contain, and the pairs of at least `threshold` similarity."""
    other_ids = _first_ids(other)
    exact = [
        LeakedPair(train=row.id, other=other_ids[question_key(row)], similarity=1.0)
        for row in train
        if question_key(row) in other_ids
    ]
    train_ids = {key: row for key, row in _first_ids(train).items() if key not in other_ids}
    nearest = nearest_duplicates(train_ids, other_ids, threshold)
    near = [
        LeakedPair(
            train=row, other=other_ids[nearest[key][0]], similarity=round(nearest[key][1], 4)
        )
        for key, row in train_ids.items()
        if key in nearest
    ]
    return Leakage(exact=tuple(exact), near=tuple(near))


def remove_leaks(
    train: Sequence[Row], others: Sequence[Sequence[Row]]
) -> tuple[list[Row], tuple[str, ...]]:
    """Train without the rows whose question occurs in one of the others, and the removed ids."""
    held_out = {question_key(row) for other in others for row in other}
    clean = [row for row in train if question_key(row) not in held_out]
    return clean, tuple(row.id for row in train if question_key(row) in held_out)


def _first_ids(rows: Sequence[Row]) -> dict[str, str]:
    """Question key → id of its first row."""
    ids: dict[str, str] = {}
    for row in rows:
        ids.setdefault(question_key(row), row.id)
    return ids
