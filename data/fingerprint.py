"""The fingerprint of a file of records: the settings that determine them, stored beside it.

Records made under different settings must not be mixed silently. A change is refused with a diff;
if the user accepts it, the records that it affects are made again.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.errors import DataError
from data.atomic_write import write_text
from data.jsonl import read_record, read_stored_record

Fingerprint = Mapping[str, object]  # setting → JSON-able value or hash
_WAY_OUT = "restore it from a copy, or remove it and what it belongs to, to make both again"


def fingerprint_path(path: Path) -> Path:
    """The path of the fingerprint of a file of records."""
    return path.with_suffix(".fingerprint.json")


def read_fingerprint(path: Path) -> Fingerprint:
    """Reads a fingerprint. Raises DataError when the file is missing or invalid."""
    try:
        return read_record(path, dict[str, Any], _WAY_OUT)
    except FileNotFoundError:
        raise DataError(f"{path}: cannot be read: it is not there; copy it or run again") from None


def check_fingerprint(path: Path, fingerprint: Fingerprint, accept_changes: bool) -> bool:
    """Compares with the fingerprint at `path`, then stores the new one. Returns whether it changed.

    Raises DataError with the differing settings unless `accept_changes`, and when the stored one is
    not valid.
    """
    text = json.dumps(dict(fingerprint), ensure_ascii=False, indent=1, sort_keys=True)
    new = json.loads(text)  # tuples become lists, as in the stored one
    old = read_stored_record(path, dict[str, Any], _WAY_OUT)
    if old is not None and old != new and not accept_changes:
        raise DataError(
            f"{path.parent}: was made with other settings: {_diff(old, new)}; run with "
            "--accept-changes to make again what they change, or give the run another name"
        )
    if old != new:
        write_text(path, text + "\n")
    return old is not None and old != new


def _diff(old: dict[str, object], new: dict[str, object]) -> str:
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} {_short(old.get(key))} → {_short(new.get(key))}" for key in changed)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:24]}…"
