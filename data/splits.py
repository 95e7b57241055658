"""Which rows go where: val split off by question, and questions that train shares with the others.

The same question never stands on both sides; near ones are found and reported, and stay. Near
means alike in words or in character triples: the first survives an added word, the second an
ending or a slip of the finger.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from data.records import Record
from data.rows import Row, normalised

Features = frozenset[str]


class Pair(Record):
    """A train question and the one in another split that it is most like."""

    train: str  # row id
    other: str  # row id
    similarity: float  # 0 … 1


class Leakage(Record):
    """What train shares with another split."""

    exact: tuple[Pair, ...]  # every train row whose question the other split holds
    near: tuple[Pair, ...]  # of each near question the first train row and its nearest


def question_key(row: Row) -> str:
    """Equal keys mean the same question; a question without any word is only its own."""
    return normalised(row.question) or row.question.strip()


def split(rows: Sequence[Row], fraction: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Train and val, in the rows' order: `fraction` of the distinct questions goes to val.

    Depends on the questions and the seed only, not on the order. Neither side is empty when there
    are two questions and the fraction is neither 0 nor 1.
    """
    keys = {question_key(row) for row in rows}
    ranked = sorted(keys, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode()).digest())
    count = round(fraction * len(ranked))
    if 0 < fraction < 1 and len(ranked) > 1:
        count = min(max(count, 1), len(ranked) - 1)
    held_out = set(ranked[:count])
    train = [row for row in rows if question_key(row) not in held_out]
    return train, [row for row in rows if question_key(row) in held_out]


def leakage(train: Sequence[Row], other: Sequence[Row], near: float) -> Leakage:
    """Train rows whose question `other` holds, and pairs of similarity `near` or more."""
    held = _first_ids(other)
    exact = [
        Pair(train=row.id, other=held[question_key(row)], similarity=1.0)
        for row in train
        if question_key(row) in held
    ]
    mine = {key: identity for key, identity in _first_ids(train).items() if key not in held}
    pairs = [
        Pair(train=mine[key], other=held[match], similarity=round(similarity, 4))
        for key, (match, similarity) in _nearest(mine, held, near).items()
    ]
    return Leakage(exact=tuple(exact), near=tuple(pairs))


def remove_leaks(
    train: Sequence[Row], others: Sequence[Sequence[Row]]
) -> tuple[list[Row], tuple[str, ...]]:
    """Train without the rows whose question one of the others holds, and the ids removed."""
    held = {question_key(row) for other in others for row in other}
    kept = [row for row in train if question_key(row) not in held]
    return kept, tuple(row.id for row in train if question_key(row) in held)


def words(key: str) -> Features:
    """The distinct words of a normalised question."""
    return frozenset(key.split())


def triples(key: str) -> Features:
    """Every three neighbouring characters of a normalised question, its edges included."""
    padded = f" {key} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def _first_ids(rows: Sequence[Row]) -> dict[str, str]:
    ids: dict[str, str] = {}
    for row in rows:
        ids.setdefault(question_key(row), row.id)
    return ids


def near_pairs(
    mine: Iterable[str], held: Iterable[str], near: float
) -> Iterator[tuple[str, str, float]]:
    """Pairs of keys, one of each side, alike by `near` or more in words or in character triples.

    A pair that is alike in both comes twice.
    """
    ours, theirs = list(mine), list(held)
    for features in (words, triples):
        yield from _alike(ours, theirs, near, features)


def _nearest(
    mine: Mapping[str, str], held: Mapping[str, str], near: float
) -> dict[str, tuple[str, float]]:
    """Of each key in `mine` that is near one in `held`: the nearest one and the similarity."""
    best: dict[str, tuple[str, float]] = {}
    for key, match, similarity in near_pairs(mine, held, near):
        if key not in best or similarity > best[key][1]:
            best[key] = match, similarity
    return {key: best[key] for key in mine if key in best}


def _alike(
    mine: Sequence[str],
    held: Sequence[str],
    near: float,
    features: Callable[[str], Features],
) -> Iterator[tuple[str, str, float]]:
    """Pairs of Jaccard similarity ≥ near, by prefix filtering (Bayardo et al., WWW 2007).

    With the features of a set in order of rarity, two sets that share enough of them share one
    among the first |x| − ⌈near·|x|⌉ + 1 of each, so only those are looked up.
    """
    sets = {key: features(key) for key in (*mine, *held)}
    counts = Counter(feature for found in sets.values() for feature in found)
    index: dict[str, list[str]] = defaultdict(list)
    for key in held:
        for feature in _prefix(sets[key], near, counts):
            index[feature].append(key)
    for key in mine:
        found = sets[key]
        looked_up = (index.get(feature, ()) for feature in _prefix(found, near, counts))
        for match in dict.fromkeys(chain.from_iterable(looked_up)):  # each once, order kept
            shared = len(found & sets[match])
            similarity = shared / (len(found) + len(sets[match]) - shared)
            if similarity >= near:
                yield key, match, similarity


def _prefix(found: Features, near: float, counts: Counter[str]) -> list[str]:
    ordered = sorted(found, key=lambda feature: (counts[feature], feature))
    enough = math.ceil(near * len(ordered) - 1e-9)  # 0.8 · 5 is 4, not 4.000000001 and so 5
    return ordered[: len(ordered) - enough + 1]
