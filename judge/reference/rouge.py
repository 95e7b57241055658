"""ROUGE-1, -2 and -L over words of any script (Lin 2004, "ROUGE: A Package for Automatic Evaluation
of Summaries").

Own code because the package `rouge-score` brings nltk, joblib and absl for these two formulas, and
0.8 s to import. The values are those that it gives with our tokenizer.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from judge.checks.text import words


class Rouge(NamedTuple):
    """F1 of shared words, word pairs, and the longest common subsequence; 0 … 1."""

    one: float
    two: float
    longest: float


def rouge(text: str, references: Sequence[str]) -> Rouge:
    """Each measure against the reference that it likes best; 0 where there is nothing to share.

    Words are folded (`judge.checks.text.words`): case, ё and kinds of dashes do not count. A text
    of one word has no word pair, so its ROUGE-2 is 0 even against itself, as in the package.
    """
    own = words(text)
    scores = [_scores(own, words(reference)) for reference in references]
    return Rouge(*(max(values) for values in zip(*scores, strict=True)))


def _scores(own: list[str], other: list[str]) -> Rouge:
    common = common_subsequence(own, other)
    return Rouge(_shared(own, other, 1), _shared(own, other, 2), _f1(common, len(own), len(other)))


def _shared(own: list[str], other: list[str], size: int) -> float:
    mine, theirs = _grams(own, size), _grams(other, size)
    return _f1((mine & theirs).total(), mine.total(), theirs.total())


def _grams(tokens: list[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(size)), strict=False))


def _f1(common: int, own: int, other: int) -> float:
    return 2 * common / (own + other) if common else 0.0


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, in bits of one number (Hyyrö 2004, CIAA).

    A table in Python would take a minute for a thousand rows and five arms.
    """
    places: dict[str, int] = {}
    for at, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << at
    every = (1 << len(first)) - 1
    open_bits = every
    for word in second:
        matched = open_bits & places.get(word, 0)
        open_bits = (open_bits + matched | open_bits - matched) & every
    return len(first) - open_bits.bit_count()
