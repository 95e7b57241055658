"""Reads a log file of any format into rows, and quarantines malformed records.

`campus` and `tables` know the formats; `data.prepare` decides how many malformed records are too
many.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.log_formats import CampusLogs, MappedLogs
from data.readers.campus import FIELDS, campus_row
from data.readers.cells import Malformed
from data.readers.conversation import Unsupported
from data.readers.entry import Entry
from data.readers.field_use import FieldUse
from data.readers.json_logs import read_json_list
from data.readers.quarantine import Quarantine, Quarantined
from data.readers.table_logs import read_table, table_row
from data.rows import Row

_EXCERPT = 200  # characters
_SHOWN_IDS = 10  # duplicate ids in the error


class LogNotes(NamedTuple):
    """What a log file holds beside its rows."""

    quarantine: Quarantine
    missing_words: dict[str, dict[str, int]]  # column → word such as nan, taken as nothing → cells
    unread: tuple[str, ...] = ()  # sheets of a workbook that are not read

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The first malformed and the first unsupported records."""
        return self.quarantine.shown


class LogFile(NamedTuple):
    """The content of a log file."""

    rows: tuple[Row, ...]
    quarantined: tuple[Quarantined, ...]
    missing_words: dict[str, dict[str, int]]  # as in LogNotes


def read_logs(settings: MappedLogs, root: Path) -> LogFile:
    """The rows of the configured file, all in memory. Raises DataError as `scan_logs` does."""
    rows: list[Row] = []
    bad: list[Quarantined] = []
    notes = scan_logs(settings, root, rows.append, bad.append)
    return LogFile(tuple(rows), tuple(bad), notes.missing_words)


def scan_logs(
    settings: MappedLogs,
    root: Path,
    add: Callable[[Row], None],
    refuse: Callable[[Quarantined], object] | None = None,
) -> LogNotes:
    """Passes each row of the configured file, whose path is relative to `root`, to `add`.

    `refuse`: receives every malformed record. Raises DataError when the whole file is unusable:
    missing, of another format, without a valid row, without a mapped column, with duplicate ids.
    """
    path = root / settings.path
    fields = FieldUse(FIELDS if isinstance(settings, CampusLogs) else settings.fields)
    ids: list[str] = []
    quarantine = Quarantine(refuse)
    unread: list[str] = []
    for entry, record in parse_entries(settings, root, unread):
        if entry.value is not None:
            fields.add(entry.value)
        if isinstance(record, Row):
            ids.append(record.id)
            add(record)
        else:
            quarantine.add(record)
    if not isinstance(settings, CampusLogs):
        fields.check(path)
    if not ids:
        bad = quarantine.shown
        first = f"; line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise DataError(f"{path}: no valid row{first}; is it the right file?")
    check_unique_ids(ids, str(path))
    return LogNotes(quarantine, fields.missing_words(), tuple(unread))


def parse_entries(
    settings: MappedLogs, root: Path, unread: list[str] | None = None
) -> Iterator[tuple[Entry, Row | Quarantined]]:
    """Each record of the file as read, and its row or the reason why it is malformed.

    unread: receives the sheets of a workbook that are not read.
    """
    path = root / settings.path
    is_campus = isinstance(settings, CampusLogs)
    for entry in read_json_list(path) if is_campus else read_table(path, unread):
        record: Row | Quarantined
        try:
            record = _parse_row(entry, settings, path.stem)
        except Malformed as error:
            record = quarantined(entry, settings.path, error)
        yield entry, record


def quarantined(entry: Entry, file: str, error: Malformed) -> Quarantined:
    """The report of a record that did not become a row, or not all of it."""
    text = (entry.raw or repr(entry.value))[:_EXCERPT].strip("\r\n")
    return Quarantined(
        file=file,
        line=entry.line,
        reason=str(error).encode("utf-8", "replace").decode(),
        excerpt=text.encode("utf-8", "replace").decode(),
        unsupported=isinstance(error, Unsupported),
    )


def _parse_row(entry: Entry, settings: MappedLogs, stem: str) -> Row:
    if entry.value is None:
        raise Malformed(entry.problem)
    default_id, origin = f"{stem}-{entry.number:04d}", f"{settings.path}:{entry.line}"
    if isinstance(settings, CampusLogs):
        return campus_row(entry.value, default_id, origin)
    return table_row(entry.value, settings.fields, default_id, origin)


def check_unique_ids(ids: Iterable[str], where: str) -> None:
    """Raises DataError naming the ids that several rows share."""
    counts = Counter(ids)
    repeated = [row for row, count in counts.items() if count > 1]
    if not repeated:
        return
    shown = ", ".join(repeated[:_SHOWN_IDS]) + (", …" if len(repeated) > _SHOWN_IDS else "")
    raise DataError(
        f"{where}: {len(repeated)} ids belong to more than one row: {shown}; make them differ, or "
        "map no id and give files different names to have rows numbered"
    )
