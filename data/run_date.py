"""The date that chat templates write: of the day on which the run began, on all its days.

Otherwise every prompt would change at midnight, and every answer would be asked for again.
"""

from datetime import date
from pathlib import Path

from config.errors import DataError
from data.atomic_write import write_text
from data.stored_file import is_stored, naming_file


def run_date(path: Path) -> date:
    """The date recorded at `path`, or today's. Raises DataError when the file holds no date."""
    if not is_stored(path):
        return date.today()
    with naming_file(path):
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{path}: {text[:40]!r} is no date; write one as 2026-11-27") from None


def record_run_date(path: Path, day: date) -> None:
    """Records the date, unless one is recorded. Raises DataError when the disk is full."""
    if not is_stored(path):
        write_text(path, f"{day.isoformat()}\n")
