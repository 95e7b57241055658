"""Logs → the canonical rows of train, val and hidden, and the quality report.

Steps: read, refuse broken files, split by question, clean, remove train rows that leak or repeat,
add follow-up rows to train.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

from config.errors import DataError
from config.log_formats import CampusLogs, DataSettings
from config.progress import ProgressBar
from data.atomic_write import write_text
from data.clean import Duplicate, RowCleaner
from data.data_quality import DataQuality, SplitCounter, SplitQuality
from data.follow_ups import FollowUps
from data.jsonl import read_records, write_records
from data.label_meaning import UnknownLabels
from data.readers.logs import LogNotes, check_unique_ids
from data.readers.quarantine import Quarantine
from data.readers.recognise import scan_source
from data.readers.turn_template import PromptText
from data.rows import Row
from data.splits import Leakage, RowKey, held_out_questions, measure_leakage
from data.stored_quarantine import StoredQuarantine
from data.stored_rows import StoredRows

_SHOWN_LINES = 5  # malformed lines in the error
_BAR_DELAY_S = 2.0  # a file that is read sooner needs no progress bar


class PreparedSplits(NamedTuple):
    """The rows of each split, in memory."""

    train: tuple[Row, ...]
    val: tuple[Row, ...]
    hidden: tuple[Row, ...] | None  # None: no hidden set is configured
    quality: DataQuality


def prepare_data(
    settings: DataSettings, root: Path, out: Path, seed: int, prompt: PromptText | None = None
) -> DataQuality:
    """Writes train, val and hidden as JSONL, quality.json and quarantine.jsonl.

    Paths in the settings are relative to `root`. `prompt`: what recognised conversations contain
    beside their rows. Files of an earlier run are replaced atomically.
    Raises DataError when a file is unusable, too many records are malformed, two rows have the
    same id, a split is empty, or the disk is full.
    """
    with (
        StoredRows(out.parent) as rows,
        StoredRows(out.parent) as second_turns,
        StoredQuarantine(out.parent) as bad,
    ):
        quarantine = Quarantine(bad.add)
        logs = _read_files(settings, root, rows, prompt, quarantine)
        splits = _Splits.of(settings, rows, logs.places, seed)
        parts = _write_splits(settings, splits, second_turns, out)
        removed = [rows.keys[at] for at in splits.places["train"] if at in splits.removed]
        keys = {name: [rows.keys[at] for at in places] for name, places in splits.places.items()}
        keys["train"] += second_turns.keys
        quality = DataQuality(
            splits={name: parts[name] for name in sorted(parts)},
            leakage=_leakages(keys, settings.near_duplicate),
            leaks_removed=tuple(row.id for row in removed if _leaks(row, splits.held_out)),
            duplicates_removed=tuple(row.id for row in removed if not _leaks(row, splits.held_out)),
            records=len(rows.keys) + quarantine.reasons.total(),
            quarantined=quarantine.shown,
            quarantine_reasons=dict(quarantine.reasons.most_common()),
            follow_ups=splits.follow_ups and splits.follow_ups.counts(),
            unknown_labels=logs.unknown_labels,
            missing_words=logs.missing_words,
            recognised=logs.recognised,
        )
        write_records(out / "quarantine.jsonl", bad.read())
    write_text(out / "quality.json", quality.model_dump_json(indent=1) + "\n")
    return quality


def prepare_splits(
    settings: DataSettings, root: Path, seed: int, prompt: PromptText | None = None
) -> PreparedSplits:
    """The splits in memory; no file stays. Raises DataError as `prepare_data` does."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "data"
        quality = prepare_data(settings, root, out, seed, prompt)
        rows = {name: tuple(read_records(out / f"{name}.jsonl", Row)) for name in quality.splits}
        return PreparedSplits(rows["train"], rows["val"], rows.get("hidden"), quality)


class _Logs(NamedTuple):
    """What the log files hold, beside the stored rows."""

    places: dict[str, range]  # file: train, val or hidden → places of its stored rows
    missing_words: dict[str, dict[str, int]]
    unknown_labels: dict[str, int]
    recognised: tuple[str, ...]  # lines on the logs whose form was recognised


def _read_files(
    settings: DataSettings,
    root: Path,
    rows: StoredRows,
    prompt: PromptText | None,
    quarantine: Quarantine,
) -> _Logs:
    files = {"train": settings.train, "val": settings.val, "hidden": settings.hidden}
    places, notes, labels = dict[str, range](), list[LogNotes](), UnknownLabels()
    recognised: list[str] = []
    with ProgressBar("reading the logs", " rows", None, delay_s=_BAR_DELAY_S) as bar:

        def store(row: Row) -> None:
            labels.add(row)
            rows.add(row)
            bar.update()

        for name, logs in files.items():
            if logs is not None:
                start = len(rows.keys)
                scanned = scan_source(logs, root, store, prompt, quarantine.add)
                notes.append(scanned.notes)
                if scanned.notes.unread:
                    sheets = ", ".join(scanned.notes.unread)
                    recognised.append(f"{logs.path}: not read: {sheets}")
                if scanned.form is not None:
                    recognised += [scanned.form.line(), *scanned.form.notes(prompt)]
                places[name] = range(start, len(rows.keys))
    _check_malformed(quarantine, len(rows.keys), settings.max_bad_fraction)
    check_unique_ids((row.id for row in rows.keys), "all data files")
    words = _missing_words(notes)
    return _Logs(places, words, labels.counts(), tuple(recognised))


def _missing_words(notes: Iterable[LogNotes]) -> dict[str, dict[str, int]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for note in notes:
        for column, words in note.missing_words.items():
            counts[column].update(words)
    return {column: dict(sorted(words.items())) for column, words in sorted(counts.items())}


class _Splits(NamedTuple):
    """Which stored row is in which split, and which train rows are removed."""

    rows: StoredRows
    places: dict[str, Sequence[int]]  # split → places of its rows
    held_out: set[str]  # question keys of val and hidden, and of what opens their conversations
    duplicates: dict[str, dict[int, Duplicate]]  # split → place → duplicate
    removed: set[int]  # places of train rows that leak or repeat
    follow_ups: FollowUps | None

    @classmethod
    def of(
        cls, settings: DataSettings, rows: StoredRows, files: Mapping[str, range], seed: int
    ) -> Self:
        places = dict[str, Sequence[int]](files)
        if settings.val is None:
            openings = [rows.keys[at].conversation for at in files["train"]]
            val = held_out_questions(openings, settings.val_fraction, seed)
            pairs = list(zip(files["train"], openings, strict=True))
            places["train"] = [at for at, opening in pairs if opening not in val]
            places["val"] = [at for at, opening in pairs if opening in val]
        others = [rows.keys[at] for name in places if name != "train" for at in places[name]]
        held_out = {key for row in others for key in (row.key, row.conversation)}
        duplicates = {name: _duplicates(rows, of_split) for name, of_split in places.items()}
        leaks = {at for at in places["train"] if _leaks(rows.keys[at], held_out)}
        removed = leaks | duplicates["train"].keys()
        _check_not_empty(settings, places, len(removed), len(leaks))
        follow_ups = _follow_ups(settings, held_out)
        return cls(rows, places, held_out, duplicates, removed, follow_ups)

    def train_rows(self, cleaner: RowCleaner, second_turns: StoredRows) -> Iterator[Row]:
        """The clean train rows, then those of second turns, which are stored meanwhile."""
        places = self.places["train"]
        for place, row in zip(places, map(cleaner.clean_row, self.rows.read(places)), strict=True):
            if self.follow_ups is not None:
                second_turn = self.follow_ups.follow_up_row(row)
                if second_turn is not None:
                    second_turns.add(second_turn)
            if place not in self.removed:
                yield row
        yield from second_turns.read(range(len(second_turns.keys)))


def _leaks(row: RowKey, held_out: set[str]) -> bool:
    """Whether a row's question, or the one that opens its conversation, is held out."""
    return row.key in held_out or row.conversation in held_out


def _duplicates(rows: StoredRows, places: Iterable[int]) -> dict[int, Duplicate]:
    """Place of a row that repeats the question and passages of an earlier one → both."""
    first: dict[bytes, str] = {}
    duplicates = {}
    for at in places:
        identity = rows.keys[at].id
        original = first.setdefault(rows.views[at], identity)
        if original != identity:
            duplicates[at] = Duplicate(row=identity, of=original)
    return duplicates


def _follow_ups(settings: DataSettings, held_out: set[str]) -> FollowUps | None:
    if not settings.follow_ups:
        return None
    logs = settings.train
    return FollowUps(held_out, isinstance(logs, CampusLogs) and logs.joined_follow_ups)


def _write_splits(
    settings: DataSettings, splits: _Splits, second_turns: StoredRows, out: Path
) -> dict[str, SplitQuality]:
    if "hidden" not in splits.places:
        (out / "hidden.jsonl").unlink(missing_ok=True)  # of an earlier run with other settings
    parts = {}
    for name, places in splits.places.items():
        cleaner, counter = RowCleaner(settings), SplitCounter()
        if name == "train":
            rows = splits.train_rows(cleaner, second_turns)
        else:
            rows = map(cleaner.clean_row, splits.rows.read(places))
        write_records(out / f"{name}.jsonl", counter.counted(rows))
        parts[name] = counter.quality(cleaner.counts(splits.duplicates[name].values()))
    return parts


def _leakages(keys: Mapping[str, Sequence[RowKey]], threshold: float) -> dict[str, Leakage]:
    pairs = [("train", "val"), ("train", "hidden"), ("val", "hidden")]
    return {
        f"{left}-{right}": measure_leakage(keys[left], keys[right], threshold)
        for left, right in pairs
        if right in keys
    }


def _check_malformed(quarantine: Quarantine, rows: int, max_fraction: float) -> None:
    total = quarantine.malformed + rows
    if quarantine.malformed <= max_fraction * total:
        return
    malformed = [record for record in quarantine.shown if not record.unsupported]
    shown = [f"{record.file}:{record.line}: {record.reason}" for record in malformed[:_SHOWN_LINES]]
    if quarantine.malformed > _SHOWN_LINES:
        shown.append("…")
    raise DataError(
        f"{quarantine.malformed} of {total} records are malformed, more than data.max_bad_fraction "
        f"{max_fraction:g}: {'; '.join(shown)}; correct them or raise the setting"
    )


def _check_not_empty(
    settings: DataSettings, places: Mapping[str, Sequence[int]], removed: int, leaks: int
) -> None:
    if not places["val"]:
        way_out = "give data.val or raise data.val_fraction"
        if settings.val is not None:
            way_out = "give data.val another file, or remove it: a part of train is then split off"
        raise DataError(f"val: no rows are left; {way_out}")
    rows = len(places["train"])
    if removed < rows:
        return
    gone = f"train: no rows are left, {leaks} share their question with "
    held_out = [name for name in ("val", "hidden") if getattr(settings, name) is not None]
    if not rows or not held_out:
        raise DataError(
            f"{gone}val or hidden; give data.train other questions or lower data.val_fraction"
        )
    files = " or ".join(f"data.{name}" for name in held_out)
    raise DataError(
        f"{gone}{files} (of {rows} rows in data.train); give {files} other rows, or remove "
        "data.val, so that data.val_fraction of train becomes val"
    )
