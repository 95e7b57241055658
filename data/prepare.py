"""From log files to the canonical rows of train, val and hidden, with everything counted.

Knows the order of the steps: read, refuse what is too broken, split by question, clean, remove
train rows that leak or repeat, add the second turns of the others.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.log_formats import CampusLogs, DataSettings
from data.atomic_write import write_text
from data.clean import clean
from data.follow_ups import Second, second_turns
from data.jsonl import write_records
from data.quality import Quality, describe
from data.readers.logs import LogFile, read_logs, refuse_duplicate_ids
from data.rows import Row
from data.splits import Leakage, leakage, question_key, remove_leaks, split

_NAMED = 5  # bad lines named in the error


class Prepared(NamedTuple):
    """The rows of each split, ready to be written."""

    train: tuple[Row, ...]
    val: tuple[Row, ...]
    hidden: tuple[Row, ...] | None  # None: no hidden set was given
    quality: Quality


def prepare(settings: DataSettings, root: Path, out: Path, seed: int) -> Quality:
    """Writes train, val and hidden (when given) as JSONL, quality.json and quarantine.jsonl.

    Paths in the settings are relative to `root`. Raises DataError as `prepared` does, and when
    the disk is full; files of an earlier run are replaced one by one, each at once.
    """
    made = prepared(settings, root, seed)
    write_records(out / "train.jsonl", made.train)
    write_records(out / "val.jsonl", made.val)
    if made.hidden is None:
        (out / "hidden.jsonl").unlink(missing_ok=True)  # of an earlier run with other settings
    else:
        write_records(out / "hidden.jsonl", made.hidden)
    write_records(out / "quarantine.jsonl", made.quality.quarantined)
    write_text(out / "quality.json", made.quality.model_dump_json(indent=1) + "\n")
    return made.quality


def prepared(settings: DataSettings, root: Path, seed: int) -> Prepared:
    """The same without writing anything.

    Raises DataError when a file cannot be used, too many records are malformed, an id stands for
    two rows, or a split is left without rows.
    """
    files = _read(settings, root)
    _refuse_bad(tuple(files.values()), settings.max_bad_fraction)
    rows: dict[str, Sequence[Row]] = {name: file.rows for name, file in files.items()}
    refuse_duplicate_ids([row for part in rows.values() for row in part], "all data files")
    if settings.val is None:
        rows["train"], rows["val"] = split(rows["train"], settings.val_fraction, seed)
    cleaned = {name: clean(part, settings) for name, part in rows.items()}
    held_out = [part.rows for name, part in cleaned.items() if name != "train"]
    unleaked, leaks = remove_leaks(cleaned["train"].rows, held_out)
    repeated = {found.row for found in cleaned["train"].counts.duplicates}
    kept = {name: part.rows for name, part in cleaned.items()}
    kept["train"] = tuple(row for row in unleaked if row.id not in repeated)
    _refuse_empty(kept, len(leaks))
    read = {name: part.rows for name, part in cleaned.items()}
    seconds = _seconds(cleaned["train"].rows, held_out, settings)
    if seconds is not None:
        kept["train"] += seconds.rows
        read["train"] += seconds.rows
    quality = Quality(
        splits={name: describe(kept[name], cleaned[name].counts) for name in sorted(kept)},
        leakage=_leakages(read, settings.near_duplicate),
        leaks_removed=leaks,
        duplicates_removed=tuple(row.id for row in unleaked if row.id in repeated),
        records=sum(len(file.rows) + len(file.quarantined) for file in files.values()),
        quarantined=tuple(bad for file in files.values() for bad in file.quarantined),
        second_turns=None if seconds is None else seconds.counts,
    )
    return Prepared(kept["train"], kept["val"], kept.get("hidden"), quality)


def _read(settings: DataSettings, root: Path) -> dict[str, LogFile]:
    given = {"train": settings.train, "val": settings.val, "hidden": settings.hidden}
    return {name: read_logs(logs, root) for name, logs in given.items() if logs is not None}


def _seconds(
    train: Sequence[Row], held_out: Sequence[Sequence[Row]], settings: DataSettings
) -> Second | None:
    if not settings.second_turns:
        return None
    logs = settings.train
    held = {question_key(row) for rows in held_out for row in rows}
    return second_turns(train, held, isinstance(logs, CampusLogs) and logs.joined_followups)


def _leakages(rows: Mapping[str, Sequence[Row]], near: float) -> dict[str, Leakage]:
    pairs = [("train", "val"), ("train", "hidden"), ("val", "hidden")]
    return {
        f"{one}-{other}": leakage(rows[one], rows[other], near)
        for one, other in pairs
        if other in rows
    }


def _refuse_bad(files: Sequence[LogFile], most: float) -> None:
    bad = [found for file in files for found in file.quarantined]
    total = len(bad) + sum(len(file.rows) for file in files)
    if len(bad) <= most * total:
        return
    named = "; ".join(f"{one.file}:{one.line}: {one.reason}" for one in bad[:_NAMED])
    raise DataError(
        f"{len(bad)} of {total} records are malformed, more than data.max_bad_fraction {most:g}: "
        f"{named}{'; …' if len(bad) > _NAMED else ''}; mend them or raise the setting"
    )


def _refuse_empty(kept: Mapping[str, Sequence[Row]], leaks: int) -> None:
    if not kept["val"]:
        raise DataError("val: no rows are left; give data.val or raise data.val_fraction")
    if not kept["train"]:
        raise DataError(
            f"train: no rows are left, {leaks} share their question with val or hidden; "
            "give data.train other questions or lower data.val_fraction"
        )
