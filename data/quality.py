"""What was found in the data, as `quality.json` keeps it: counts, and the rows behind them.

Knows how to describe a split; leaves the finding to the other files of this folder.
"""

from collections import Counter
from collections.abc import Sequence

from data.clean import CleanCounts
from data.follow_ups import SecondTurns
from data.readers.logs import Quarantined
from data.records import Record
from data.rows import Row
from data.splits import Leakage, question_key


class SplitQuality(Record):
    """One split: its rows as written, and what cleaning found in them."""

    rows: int
    questions: int  # distinct, by normalised text
    contexts: int  # passages of the rows' own turns
    without_contexts: int  # rows
    followups: int  # rows with a follow-up
    labels: dict[str, int]  # label → rows; a row may have two
    unlabelled: int  # rows
    cleaned: CleanCounts  # before leaks and duplicates were removed


class Quality(Record):
    """Everything counted while the data were prepared."""

    splits: dict[str, SplitQuality]
    leakage: dict[str, Leakage]  # "train-val", "train-hidden", "val-hidden"
    leaks_removed: tuple[str, ...]  # train rows whose question val or hidden holds
    duplicates_removed: tuple[str, ...]  # train rows
    records: int  # in all files, good and bad
    quarantined: tuple[Quarantined, ...]
    second_turns: SecondTurns | None = None  # of train; None: not asked for


def describe(rows: Sequence[Row], cleaned: CleanCounts) -> SplitQuality:
    """The counts of one split."""
    labels = Counter(label for row in rows for label in row.labels or ())
    return SplitQuality(
        rows=len(rows),
        questions=len({question_key(row) for row in rows}),
        contexts=sum(len(row.contexts) for row in rows),
        without_contexts=sum(not row.contexts for row in rows),
        followups=sum(row.followup is not None for row in rows),
        labels=dict(sorted(labels.items())),
        unlabelled=sum(row.labels is None for row in rows),
        cleaned=cleaned,
    )
