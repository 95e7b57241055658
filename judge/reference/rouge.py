"""ROUGE-1, -2 and -L over words of any script (Lin 2004, "ROUGE: A Package for Automatic Evaluation
of Summaries").

Own code because the package `rouge-score` brings nltk, joblib and absl for these two formulas, and
0.8 s to import. With our tokenizer it gives the same values.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from judge.checks.text import words


class Rouge(NamedTuple):
    """F1 of shared words, word pairs, and the longest common subsequence; 0 … 1."""

    rouge1: float
    rouge2: float
    rouge_l: float


def rouge(text: str, references: Sequence[str]) -> Rouge:
    """Each measure against the reference with its highest value; 0 where nothing is shared.

    Words are folded (`judge.checks.text.words`): case, ё and kinds of dashes do not count. A text
    of one word has no word pair, so its ROUGE-2 is 0 even against itself, as in the package.
    """
    text_words = words(text)
    scores = []
    for reference in map(words, references):
        longest = common_subsequence(text_words, reference)
        ngrams = [_ngram_f1(text_words, reference, size) for size in (1, 2)]
        scores.append((*ngrams, _f1(longest, len(text_words), len(reference))))
    return Rouge(*map(max, zip(*scores, strict=True)))


def _ngram_f1(text: list[str], reference: list[str], size: int) -> float:
    first, second = _ngrams(text, size), _ngrams(reference, size)
    return _f1((first & second).total(), first.total(), second.total())


def _ngrams(tokens: list[str], size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(size)), strict=False))


def _f1(common: int, first: int, second: int) -> float:
    return 2 * common / (first + second) if common else 0.0


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel in one integer (Hyyrö 2004, CIAA).

    A table in Python would take a minute for a thousand rows and five arms.
    """
    positions: dict[str, int] = {}
    for index, word in enumerate(first):
        positions[word] = positions.get(word, 0) | 1 << index
    all_ones = (1 << len(first)) - 1
    open_bits = all_ones
    for word in second:
        matched = open_bits & positions.get(word, 0)
        open_bits = (open_bits + matched | open_bits - matched) & all_ones
    return len(first) - open_bits.bit_count()
