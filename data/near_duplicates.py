"""Near-duplicate questions: Jaccard similarity of their words or of their character trigrams.

Words tolerate an added word; trigrams tolerate another ending or a typo. The search is exact.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.feature_sets import FeatureSets, trigram_sets, word_sets

_PRODUCTS = 1_000_000  # pairs of equal features that are counted at a time; bounds the memory
# How many features of their prefixes two candidates share: more of them make prefixes longer and
# candidates fewer.
_SHARED = {word_sets: 2, trigram_sets: 5}


class _Pairs(NamedTuple):
    """Similar pairs of texts, by their indices."""

    left: NDArray[np.int64]  # [pairs], not falling
    right: NDArray[np.int64]  # [pairs]
    similarity: NDArray[np.float64]  # [pairs], 0 … 1


def near_duplicates(
    questions: Iterable[str], others: Iterable[str], threshold: float
) -> Iterator[tuple[str, str, float]]:
    """Pairs of a normalised question, a similar one of the others, and their similarity.

    A pair that reaches the threshold by words and by trigrams occurs twice.
    """
    left, right = list(questions), list(others)
    for pairs in _similar_pairs(left, right, threshold):
        for index, other, similarity in zip(*(part.tolist() for part in pairs), strict=True):
            yield left[index], right[other], similarity


def nearest_duplicates(
    questions: Iterable[str], others: Iterable[str], threshold: float
) -> dict[str, tuple[str, float]]:
    """Normalised question → the most similar one of the others, if one is, and the similarity."""
    left, right = list(questions), list(others)
    best = np.zeros(len(left))
    match = np.zeros(len(left), np.int64)
    for pairs in _similar_pairs(left, right, threshold):
        order = np.lexsort((pairs.right, -pairs.similarity, pairs.left))
        index, first = np.unique(pairs.left[order], return_index=True)
        similarity, other = pairs.similarity[order][first], pairs.right[order][first]
        is_better = similarity > best[index]
        best[index[is_better]], match[index[is_better]] = similarity[is_better], other[is_better]
    return {left[at]: (right[match[at]], float(best[at])) for at in np.flatnonzero(best)}


def _similar_pairs(left: Sequence[str], right: Sequence[str], threshold: float) -> Iterator[_Pairs]:
    for features, shared in _SHARED.items():
        sets = features([*left, *right])
        both = sets.subset(0, len(left)), sets.subset(len(left), len(left) + len(right))
        for pairs in _candidates(*both, threshold, shared):
            yield _verified(*both, pairs, threshold)


class _Prefixes(NamedTuple):
    """The rarest features of each set, among which two similar sets share some.

    Similar sets x and y share at least ⌈threshold · |x|⌉ features. If they share n at least, then
    they share l ≤ n among the first |x| − n + l of x and the first |y| − n + l of y, both sorted
    by rarity (Wang et al., "Can we beat the prefix filtering?", SIGMOD 2012).
    """

    table: Any  # sparse [sets, vocabulary], ones
    shared: NDArray[np.int64]  # [sets], l

    @classmethod
    def of(cls, sets: FeatureSets, threshold: float, shared: int) -> "_Prefixes":
        from scipy.sparse import csr_array

        # 0.8 · 5 is 4, not 4.000000001; sets that share nothing are never similar
        required = np.maximum(np.ceil(threshold * sets.lengths - 1e-9).astype(np.int64), 1)
        shared_each = np.minimum(required, shared)
        lengths = np.clip(sets.lengths - required + shared_each, 0, sets.lengths)
        features = sets.features[_ranges(sets.starts[:-1], lengths)]
        starts = np.concatenate(([0], np.cumsum(lengths)))
        ones, shape = np.ones(len(features), np.int32), (len(lengths), max(sets.vocabulary, 1))
        return cls(csr_array((ones, features, starts), shape=shape), shared_each)


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """start, start + 1, …, start + length − 1 of each, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)


def _candidates(
    left: FeatureSets, right: FeatureSets, threshold: float, shared: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The indices of sets that share enough of their prefixes and have similar sizes."""
    rows, columns = (_Prefixes.of(sets, threshold, shared) for sets in (left, right))
    occurrences = np.bincount(columns.table.indices, minlength=columns.table.shape[1])
    products = np.concatenate(([0], np.cumsum(occurrences[rows.table.indices])))
    products = products[rows.table.indptr]  # [sets + 1], of the sets before
    transposed = columns.table.T.tocsr()
    start = 0
    while start < len(left.lengths):
        end = int(np.searchsorted(products, products[start] + _PRODUCTS, "right")) - 1
        end = min(max(end, start + 1), len(left.lengths))
        counts = rows.table[start:end] @ transposed
        row = np.repeat(np.arange(start, end), np.diff(counts.indptr))
        column = counts.indices.astype(np.int64)
        is_near = counts.data >= np.minimum(rows.shared[row], columns.shared[column])
        row, column = row[is_near], column[is_near]
        sizes = np.stack((left.lengths[row], right.lengths[column]))
        is_near = sizes.min(0) >= threshold * sizes.max(0) - 1e-9
        yield row[is_near], column[is_near]
        start = end


def _verified(
    left: FeatureSets,
    right: FeatureSets,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    threshold: float,
) -> _Pairs:
    """The pairs of at least `threshold` similarity."""
    row, column = pairs
    overlap = np.empty(len(row), np.int64)
    is_own = np.zeros(left.vocabulary, np.bool_)  # features of the left set
    bounds = np.flatnonzero(np.diff(row, prepend=-1, append=-1))
    for start, end in pairwise(bounds):
        own = left.features[left.starts[row[start]] : left.starts[row[start] + 1]]
        others = column[start:end]
        lengths = right.lengths[others]
        is_own[own] = True
        is_shared = is_own[right.features[_ranges(right.starts[others], lengths)]]
        overlap[start:end] = np.add.reduceat(
            is_shared, np.cumsum(lengths) - lengths, dtype=np.int64
        )
        is_own[own] = False
    similarity = overlap / (left.lengths[row] + right.lengths[column] - overlap)
    is_near = similarity >= threshold
    return _Pairs(row[is_near], column[is_near], similarity[is_near])
