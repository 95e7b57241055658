"""The settings that decide what a file's records mean, kept beside it.

Records made under other settings must not be mixed in silence: a change is refused with a diff,
or accepted by the user, and then what it changes is made again.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from config.errors import DataError
from data.atomic_write import write_text

Fingerprint = Mapping[str, object]  # setting → JSON-able value or hash


def fingerprint_path(path: Path) -> Path:
    """Where the settings behind a file of records lie: beside it."""
    return path.with_suffix(".fingerprint.json")


def stored_fingerprint(path: Path) -> Fingerprint:
    """What `path` says. Raises DataError when it is not there or cannot be read."""
    try:
        found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}; copy or make it again") from None
    return found


def check_fingerprint(path: Path, meaning: Fingerprint, accept_changes: bool) -> bool:
    """Compares `meaning` with what `path` says, and writes it there. Returns whether it changed.

    Raises DataError with the differing settings unless `accept_changes`.
    """
    text = json.dumps(dict(meaning), ensure_ascii=False, indent=1, sort_keys=True)
    new = json.loads(text)  # compared as it will be read back: tuples are lists in JSON
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    changed = old is not None and old != new
    if old is not None and changed and not accept_changes:
        raise DataError(
            f"{path.parent}: was made with other settings: {_diff(old, new)}; run with "
            "--accept-changes to make again what they change, or give the run another name"
        )
    if old != new:
        write_text(path, text + "\n")
    return changed


def _diff(old: dict[str, object], new: dict[str, object]) -> str:
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} {_short(old.get(key))} → {_short(new.get(key))}" for key in keys)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:24]}…"
