"""Near-duplicate questions: Jaccard similarity of their words or of their character trigrams.

Words tolerate an added word; trigrams tolerate another ending or a typo.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

Features = frozenset[str]


def near_duplicates(
    questions: Iterable[str], others: Iterable[str], threshold: float
) -> Iterator[tuple[str, str, float]]:
    """Pairs of a normalised question, a similar one of the others, and their similarity.

    A pair that reaches the threshold by words and by trigrams occurs twice.
    """
    left, right = list(questions), list(others)
    for features in (word_set, character_trigrams):
        yield from _similar_pairs(left, right, threshold, features)


def word_set(question: str) -> Features:
    """The distinct words of a normalised question."""
    return frozenset(question.split())


def character_trigrams(question: str) -> Features:
    """Every three adjacent characters of a normalised question, padded by one space."""
    padded = f" {question} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


def _similar_pairs(
    left: Sequence[str],
    right: Sequence[str],
    threshold: float,
    features: Callable[[str], Features],
) -> Iterator[tuple[str, str, float]]:
    """Pairs of Jaccard similarity ≥ threshold, by prefix filtering (Bayardo et al., WWW 2007).

    With the features of a set x sorted by rarity, two similar sets share one among the first
    |x| − ⌈threshold·|x|⌉ + 1 of each, so only those are looked up.
    """
    sets = {question: features(question) for question in (*left, *right)}
    counts = Counter(chain.from_iterable(sets.values()))
    index: dict[str, list[str]] = defaultdict(list)
    for question in right:
        for feature in _prefix(sets[question], threshold, counts):
            index[feature].append(question)
    for question in left:
        own = sets[question]
        matches = (index.get(feature, ()) for feature in _prefix(own, threshold, counts))
        for other in dict.fromkeys(chain.from_iterable(matches)):  # distinct, in order
            shared = len(own & sets[other])
            similarity = shared / (len(own) + len(sets[other]) - shared)
            if similarity >= threshold:
                yield question, other, similarity


def _prefix(features: Features, threshold: float, counts: Counter[str]) -> list[str]:
    ordered = sorted(features, key=lambda feature: (counts[feature], feature))
    required = math.ceil(threshold * len(ordered) - 1e-9)  # 0.8 · 5 is 4, not 4.000000001
    return ordered[: len(ordered) - required + 1]
