"""Logs → the canonical rows of train, val and hidden, and the quality report.

Steps: read, refuse broken files, split by question, clean, remove train rows that leak or repeat,
add follow-up rows to train.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.log_formats import CampusLogs, DataSettings
from data.atomic_write import write_text
from data.clean import CleanCounts, clean_rows
from data.follow_ups import FollowUpCounts, FollowUpRows, follow_up_rows
from data.jsonl import write_records
from data.label_meaning import unknown_labels, unknown_labels_line
from data.readers.logs import LogFile, Quarantined, check_unique_ids, read_logs
from data.records import Record
from data.rows import Row, question_key
from data.splits import Leakage, measure_leakage, remove_leaks, split_by_question

_SHOWN_LINES = 5  # malformed lines in the error


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
    quarantined: tuple[Quarantined, ...]
    follow_ups: FollowUpCounts | None = None  # of train; None: data.follow_ups is false
    unknown_labels: dict[str, int] = {}  # label that means nothing known → rows
    missing_words: dict[str, dict[str, int]] = {}  # column → word taken as nothing → cells


class PreparedSplits(NamedTuple):
    """The rows of each split, before they are written."""

    train: tuple[Row, ...]
    val: tuple[Row, ...]
    hidden: tuple[Row, ...] | None  # None: no hidden set is configured
    quality: DataQuality


def prepare_data(settings: DataSettings, root: Path, out: Path, seed: int) -> DataQuality:
    """Writes train, val and hidden as JSONL, quality.json and quarantine.jsonl.

    Paths in the settings are relative to `root`. Files of an earlier run are replaced atomically.
    Raises DataError as `prepare_splits` does, and when the disk is full.
    """
    splits = prepare_splits(settings, root, seed)
    write_records(out / "train.jsonl", splits.train)
    write_records(out / "val.jsonl", splits.val)
    if splits.hidden is None:
        (out / "hidden.jsonl").unlink(missing_ok=True)  # of an earlier run with other settings
    else:
        write_records(out / "hidden.jsonl", splits.hidden)
    write_records(out / "quarantine.jsonl", splits.quality.quarantined)
    write_text(out / "quality.json", splits.quality.model_dump_json(indent=1) + "\n")
    return splits.quality


def prepare_splits(settings: DataSettings, root: Path, seed: int) -> PreparedSplits:
    """The splits, without writing them.

    Raises DataError when a file is unusable, too many records are malformed, two rows have the
    same id, or a split is empty.
    """
    files = _read_files(settings, root)
    _check_malformed(tuple(files.values()), settings.max_bad_fraction)
    rows: dict[str, Sequence[Row]] = {name: file.rows for name, file in files.items()}
    check_unique_ids(chain.from_iterable(rows.values()), "all data files")
    if settings.val is None:
        rows["train"], rows["val"] = split_by_question(rows["train"], settings.val_fraction, seed)
    cleaned = {name: clean_rows(split, settings) for name, split in rows.items()}
    held_out = [split.rows for name, split in cleaned.items() if name != "train"]
    unleaked, leaks = remove_leaks(cleaned["train"].rows, held_out)
    duplicates = {duplicate.row for duplicate in cleaned["train"].counts.duplicates}
    all_rows = {name: split.rows for name, split in cleaned.items()}
    splits = {**all_rows, "train": tuple(row for row in unleaked if row.id not in duplicates)}
    _check_not_empty(splits, len(leaks))
    follow_ups = _follow_ups(cleaned["train"].rows, held_out, settings)
    if follow_ups is not None:
        splits["train"] += follow_ups.rows
        all_rows["train"] += follow_ups.rows
    quality = DataQuality(
        splits={
            name: describe_split(splits[name], cleaned[name].counts) for name in sorted(splits)
        },
        leakage=_leakages(all_rows, settings.near_duplicate),
        leaks_removed=leaks,
        duplicates_removed=tuple(row.id for row in unleaked if row.id in duplicates),
        records=sum(len(file.rows) + len(file.quarantined) for file in files.values()),
        quarantined=tuple(record for file in files.values() for record in file.quarantined),
        follow_ups=None if follow_ups is None else follow_ups.counts,
        unknown_labels=unknown_labels(chain.from_iterable(file.rows for file in files.values())),
        missing_words=_missing_words(files.values()),
    )
    return PreparedSplits(splits["train"], splits["val"], splits.get("hidden"), quality)


def quality_notes(quality: DataQuality) -> list[str]:
    """Lines on cells that were taken as nothing and on labels that nothing understood."""
    notes = []
    for column, words in quality.missing_words.items():
        cells = ", ".join(f"{count} {word}" for word, count in words.items())
        notes.append(f"taken as missing in column {column}: {cells}")
    if quality.unknown_labels:
        notes.append(unknown_labels_line(quality.unknown_labels))
    return notes


def describe_split(rows: Sequence[Row], cleaned: CleanCounts) -> SplitQuality:
    """The counts of one split."""
    labels = Counter(label for row in rows for label in row.labels or ())
    return SplitQuality(
        rows=len(rows),
        questions=len({question_key(row) for row in rows}),
        contexts=sum(len(row.contexts) for row in rows),
        without_contexts=sum(not row.contexts for row in rows),
        follow_ups=sum(row.follow_up is not None for row in rows),
        labels=dict(sorted(labels.items())),
        unlabelled=sum(row.labels is None for row in rows),
        cleaned=cleaned,
    )


def _read_files(settings: DataSettings, root: Path) -> dict[str, LogFile]:
    sources = {"train": settings.train, "val": settings.val, "hidden": settings.hidden}
    return {name: read_logs(logs, root) for name, logs in sources.items() if logs is not None}


def _missing_words(files: Iterable[LogFile]) -> dict[str, dict[str, int]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        for column, words in file.missing_words.items():
            counts[column].update(words)
    return {column: dict(sorted(words.items())) for column, words in sorted(counts.items())}


def _follow_ups(
    train: Sequence[Row], held_out: Sequence[Sequence[Row]], settings: DataSettings
) -> FollowUpRows | None:
    if not settings.follow_ups:
        return None
    logs = settings.train
    keys = {question_key(row) for rows in held_out for row in rows}
    return follow_up_rows(train, keys, isinstance(logs, CampusLogs) and logs.joined_follow_ups)


def _leakages(rows: Mapping[str, Sequence[Row]], threshold: float) -> dict[str, Leakage]:
    pairs = [("train", "val"), ("train", "hidden"), ("val", "hidden")]
    return {
        f"{left}-{right}": measure_leakage(rows[left], rows[right], threshold)
        for left, right in pairs
        if right in rows
    }


def _check_malformed(files: Sequence[LogFile], max_fraction: float) -> None:
    malformed = [record for file in files for record in file.quarantined]
    total = len(malformed) + sum(len(file.rows) for file in files)
    if len(malformed) <= max_fraction * total:
        return
    shown = [f"{record.file}:{record.line}: {record.reason}" for record in malformed[:_SHOWN_LINES]]
    if len(malformed) > _SHOWN_LINES:
        shown.append("…")
    raise DataError(
        f"{len(malformed)} of {total} records are malformed, more than data.max_bad_fraction "
        f"{max_fraction:g}: {'; '.join(shown)}; correct them or raise the setting"
    )


def _check_not_empty(splits: Mapping[str, Sequence[Row]], leaks: int) -> None:
    if not splits["val"]:
        raise DataError("val: no rows are left; give data.val or raise data.val_fraction")
    if not splits["train"]:
        raise DataError(
            f"train: no rows are left, {leaks} share their question with val or hidden; "
            "give data.train other questions or lower data.val_fraction"
        )
