"""Refuses answers that were given to other rows, another prompt or another adapter than today's.

Every file of answers has its fingerprint beside it; a file without one is compared by row ids.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from config.errors import DataError
from data.answers import Answer
from data.fingerprint import fingerprint_path, read_fingerprint
from data.rows import Row, rows_digest
from data.stored_file import is_stored


def refuse_stale(
    path: Path, expected: Mapping[str, object], rows: Iterable[Row], command: str
) -> None:
    """Raises DataError when the fingerprint of the answers at `path` differs from `expected`.

    `expected`: some of its settings. `rows`: those to be answered. `command`: answers them anew.
    """
    stored_path = fingerprint_path(path)
    if not is_stored(stored_path):
        return
    stored = read_fingerprint(stored_path)
    expected = {**expected, "rows": rows_digest(rows)}
    differing = [name for name in expected if name in stored and stored[name] != expected[name]]
    if differing:
        raise _stale(path, f"was answered with another {' and other '.join(differing)}", command)


def refuse_unknown_rows(
    path: Path, answers: Sequence[Answer], rows: Mapping[str, Row], command: str
) -> None:
    """Raises DataError for the first answer to a row that the run no longer has."""
    for answer in answers:
        if answer.row not in rows:
            reason = f"answers row {answer.row!r}, which the run no longer has"
            raise _stale(path, reason, command)


def _stale(path: Path, reason: str, command: str) -> DataError:
    return DataError(f"{path}: {reason}; run `{command} --accept-changes` first")
