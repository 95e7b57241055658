"""The quality report of the prepared data: `quality.json`, and its lines for people."""

from collections import Counter
from collections.abc import Iterable, Iterator

from data.clean import CleanCounts
from data.follow_ups import FollowUpCounts
from data.label_meaning import unknown_labels_line
from data.readers.quarantine import Quarantined
from data.records import Record
from data.rows import Row, question_key
from data.splits import Leakage


class SplitQuality(Record):
    """Counts of one split: its written rows, and the answers that cleaning changed."""

    rows: int
    questions: int  # distinct, by normalised text
    contexts: int  # passages of the rows' own turns
    without_contexts: int  # rows
    follow_ups: int  # rows with a logged follow-up
    labels: dict[str, int]  # label → rows; a row may have several
    unlabelled: int  # rows
    cleaned: CleanCounts  # before leaks and duplicates were removed


class DataQuality(Record):
    """The quality report, `quality.json`."""

    splits: dict[str, SplitQuality]
    leakage: dict[str, Leakage]  # "train-val", "train-hidden", "val-hidden"
    leaks_removed: tuple[str, ...]  # train rows whose question occurs in val or hidden
    duplicates_removed: tuple[str, ...]  # train rows
    records: int  # in all files, valid or malformed
    quarantined: tuple[Quarantined, ...]  # the first of either kind; quarantine.jsonl has all
    follow_ups: FollowUpCounts | None = None  # of train; None: data.follow_ups is false
    unknown_labels: dict[str, int] = {}  # label that means nothing known → rows
    missing_words: dict[str, dict[str, int]] = {}  # column → word taken as nothing → cells
    recognised: tuple[str, ...] = ()  # lines on logs whose form was recognised
    quarantine_reasons: dict[str, int] = {}  # reason → quarantined records; {}: all are above

    @property
    def quarantine_counts(self) -> Counter[str]:
        """Reason → quarantined records, of all files."""
        return Counter(self.quarantine_reasons or [record.reason for record in self.quarantined])


def quality_notes(quality: DataQuality) -> list[str]:
    """Lines on recognised logs, cells taken as nothing and labels that nothing understood."""
    notes = list(quality.recognised)
    for column, words in quality.missing_words.items():
        cells = ", ".join(f"{count} {word}" for word, count in words.items())
        notes.append(f"taken as missing in column {column}: {cells}")
    if quality.unknown_labels:
        notes.append(unknown_labels_line(quality.unknown_labels))
    return notes


def describe_split(rows: Iterable[Row], cleaned: CleanCounts) -> SplitQuality:
    """The counts of one split."""
    counter = SplitCounter()
    for _ in counter.counted(rows):
        pass
    return counter.quality(cleaned)


class SplitCounter:
    """Counts the rows of one split while they are written."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._questions: set[str] = set()
        self._labels: Counter[str] = Counter()

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            self._counts["rows"] += 1
            self._counts["contexts"] += len(row.contexts)
            self._counts["without_contexts"] += not row.contexts
            self._counts["follow_ups"] += row.follow_up is not None
            self._counts["unlabelled"] += row.labels is None
            self._questions.add(question_key(row))
            self._labels.update(row.labels or ())
            yield row

    def quality(self, cleaned: CleanCounts) -> SplitQuality:
        """The counts of the rows until now."""
        return SplitQuality(
            rows=self._counts["rows"],
            questions=len(self._questions),
            contexts=self._counts["contexts"],
            without_contexts=self._counts["without_contexts"],
            follow_ups=self._counts["follow_ups"],
            labels=dict(sorted(self._labels.items())),
            unlabelled=self._counts["unlabelled"],
            cleaned=cleaned,
        )
