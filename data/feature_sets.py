"""Sets of features of many texts, as arrays: their words, or their character trigrams."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 200_000  # characters whose trigrams are counted at a time
_BITS = 21  # of a Unicode character


class FeatureSets:
    """One set of integers per text, in one array. The rarest features have the lowest numbers."""

    def __init__(self, lengths: NDArray[np.int64], features: NDArray[np.int32]) -> None:
        """`lengths` [texts]: of each set; `features`: of all sets, one after the other;
        the array is taken over.
        """
        self.lengths = lengths
        self.starts = np.concatenate(([0], np.cumsum(lengths)))  # [texts + 1]
        self.vocabulary = int(features.max(initial=-1)) + 1
        self.features = _by_rarity(self.starts, features, self.vocabulary)  # [all], sorted per set

    def subset(self, start: int, end: int) -> "FeatureSets":
        """The sets of some neighbouring texts, with the same numbers of features."""
        part = object.__new__(FeatureSets)
        part.lengths, part.vocabulary = self.lengths[start:end], self.vocabulary
        part.starts = self.starts[start : end + 1] - self.starts[start]
        part.features = self.features[self.starts[start] : self.starts[end]]
        return part


def _by_rarity(
    starts: NDArray[np.int64], features: NDArray[np.int32], vocabulary: int
) -> NDArray[np.int32]:
    counts = np.zeros(vocabulary, np.int64)
    for part in _parts(features):
        counts += np.bincount(part, minlength=vocabulary)
    order = np.argsort(counts, kind="stable")
    ranks = np.empty(vocabulary, np.int32)
    ranks[order] = np.arange(vocabulary, dtype=np.int32)
    from scipy.sparse import csr_array

    shape = (len(starts) - 1, max(vocabulary, 1))
    starts = starts.astype(np.int32) if len(features) < 2**31 else starts  # else both are int64
    for part in _parts(features):
        part[:] = ranks[part]
    table = csr_array((np.ones(len(features), np.bool_), features, starts), shape=shape)
    table.sort_indices()
    return np.asarray(table.indices, np.int32)


def _parts(features: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    """Views of the array, so that nothing of its whole size is needed beside it."""
    size = max(_CHUNK, len(features) // 16)
    return (features[start : start + size] for start in range(0, len(features), size))


def word_sets(texts: Sequence[str]) -> FeatureSets:
    """The distinct words of each normalised text."""
    numbers: dict[str, int] = {}
    features, lengths = array("i"), array("q")
    for text in texts:
        own = {numbers.setdefault(word, len(numbers)) for word in text.split()}
        features.extend(own)
        lengths.append(len(own))
    return FeatureSets(np.frombuffer(lengths, np.int64), np.frombuffer(features, np.int32))


def trigram_sets(texts: Sequence[str]) -> FeatureSets:
    """Every three adjacent characters of each normalised text, padded by one space."""
    lengths: list[NDArray[np.int64]] = []
    codes: list[NDArray[np.int64]] = []
    numbers: list[NDArray[np.int32]] = []
    for part in _chunks(texts):
        rows, trigrams = _trigrams(part)
        lengths.append(np.bincount(rows, minlength=len(part)))
        distinct, number = np.unique(trigrams, return_inverse=True)  # numbers of this part
        codes.append(distinct)
        numbers.append(number.astype(np.int32))
    vocabulary = np.unique(np.concatenate((*codes, np.empty(0, np.int64))))
    for index, distinct in enumerate(codes):
        numbers[index] = np.searchsorted(vocabulary, distinct).astype(np.int32)[numbers[index]]
    return FeatureSets(_concatenated(lengths, np.int64), _concatenated(numbers, np.int32))


def _concatenated(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    """The parts in one array; empties the list, so that both never fill the memory for long."""
    whole: NDArray[Any] = np.concatenate((*parts, np.empty(0, dtype)))
    parts.clear()
    return whole


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    start = length = 0
    for end, text in enumerate(texts, 1):
        length += len(text)
        if length >= _CHUNK or end == len(texts):
            yield texts[start:end]
            start, length = end, 0


def _trigrams(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The index of the text and the trigram's number, of each distinct trigram of each text."""
    padded = "".join(f" {text} " for text in texts)
    characters = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter((len(text) + 2 for text in texts), np.int64, len(texts))
    rows = np.repeat(np.arange(len(texts)), lengths)
    wide = characters.astype(np.int64)
    codes = (wide[:-2] << 2 * _BITS) | (wide[1:-1] << _BITS) | wide[2:]
    inside = rows[:-2] == rows[2:]  # the three characters are of one text
    rows, codes = rows[:-2][inside], codes[inside]
    order = np.lexsort((codes, rows))
    rows, codes = rows[order], codes[order]
    is_new = np.ones(len(rows), np.bool_)
    is_new[1:] = (rows[1:] != rows[:-1]) | (codes[1:] != codes[:-1])
    return rows[is_new], codes[is_new]
