"""How many tokens each row takes in both views, and what of it does not fit."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from data.rows import Row
from data.run_paths import Split
from engine.request_builder import RequestBuilder, View
from judge.labels import best_by_row

_BINS = 8
_BAR_WIDTH = 40  # characters of the longest bar
_SAMPLED_ANSWERS = 200  # logged answers of which the length is measured


class RowTokens(NamedTuple):
    """One row's request, in tokens."""

    row: Row
    split: Split
    prompted: int
    unprompted: int
    fits: bool
    dropped: int  # passages that do not fit, of this turn and of earlier ones
    note: str


def count_tokens(builder: RequestBuilder, splits: Mapping[Split, Sequence[Row]]) -> list[RowTokens]:
    """The tokens of every row of these splits."""
    return [_count_row(builder, row, split) for split, rows in splits.items() for row in rows]


def _count_row(builder: RequestBuilder, row: Row, split: Split) -> RowTokens:
    fitted = builder.fit_contexts(row)
    earlier = fitted.dropped_from_history(row)
    notes = []
    if not fitted.fits:
        notes.append(
            f"TOO LONG for {builder.budget} tokens even without passages: the row is skipped"
        )
    elif fitted.dropped:
        notes.append(f"{fitted.dropped} of {len(row.contexts)} passages dropped")
    if fitted.fits and earlier:
        notes.append(f"{earlier} passages of earlier turns dropped")
    return RowTokens(
        row,
        split,
        fitted.prompted,
        len(builder.view_ids(row, View(prompted=False))),
        fitted.fits,
        fitted.dropped + earlier,
        ", ".join(notes),
    )


def answer_tokens(builder: RequestBuilder, rows: Sequence[Row]) -> int:
    """The tokens of a typical answer: the median of the logged ones, else half of the limit."""
    limit = builder.config.teacher.sampling.max_tokens
    texts = [text for answers in best_by_row(rows).values() for text in answers]
    if not texts:
        return max(1, limit // 2)
    lengths = [len(builder.renderer.answer_ids(text)) for text in texts[:_SAMPLED_ANSWERS]]
    return min(limit, max(1, round(median(lengths))))


def token_range(values: Sequence[int]) -> str:
    """The smallest, median and largest of some lengths."""
    return f"{min(values):,} to {max(values):,} (median {median(values):,.0f})"


def histogram(values: Sequence[int]) -> list[str]:
    """A bar for each of some equal ranges of the values."""
    low, high = min(values), max(values)
    width = max(1, -(-(high - low + 1) // _BINS))
    counts = [0] * _BINS
    for value in values:
        counts[(value - low) // width] += 1
    highest = max(counts)
    return [
        f"{low + index * width:>7}–{low + (index + 1) * width - 1:<7} {count:>5} "
        + "█" * round(_BAR_WIDTH * count / highest)
        for index, count in enumerate(counts)
        if low + index * width <= high
    ]
