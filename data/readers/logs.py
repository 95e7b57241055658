"""Reads one file of logs, whatever its format: rows, and the records that cannot be one.

Leaves the formats to `campus` and `tables` beside it, and the decision whether too many are bad to
`data.prepare`.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import DataError
from config.log_formats import CampusLogs, FieldMap, Logs
from data.readers.campus import campus_row, read_campus
from data.readers.cells import Malformed
from data.readers.tables import Entry, read_table, table_row
from data.records import Record
from data.rows import Row

_EXCERPT = 200  # characters
_LISTED = 10  # duplicate ids named in the error


class Quarantined(Record):
    """A record of a log file that cannot be a row."""

    file: str
    line: int  # 1-based; the row's number in Parquet, which has no lines
    reason: str
    excerpt: str  # at most 200 characters of the record


class LogFile(NamedTuple):
    """What a file of logs held."""

    rows: tuple[Row, ...]
    quarantined: tuple[Quarantined, ...]


def read_logs(settings: Logs, root: Path) -> LogFile:
    """The rows of the file that the settings name (its path relative to `root`).

    A malformed record is quarantined. Raises DataError when the file as a whole cannot be used:
    missing, of another format, no readable row, a mapped column that no row has, duplicate ids.
    """
    path = root / settings.path
    columns: set[str] = set()
    rows: list[Row] = []
    quarantined: list[Quarantined] = []
    for entry, outcome in outcomes(settings, root):
        columns.update(entry.value or ())
        if isinstance(outcome, Row):
            rows.append(outcome)
        else:
            quarantined.append(outcome)
    if not isinstance(settings, CampusLogs) and columns:
        _refuse_absent(path, settings.fields, columns)
    if not rows:
        first = f"; line {quarantined[0].line}: {quarantined[0].reason}" if quarantined else ""
        raise DataError(f"{path}: not one row can be read{first}; is it the right file?")
    refuse_duplicate_ids(rows, str(path))
    return LogFile(tuple(rows), tuple(quarantined))


def outcomes(settings: Logs, root: Path) -> Iterator[tuple[Entry, Row | Quarantined]]:
    """Each record of the file, as found and as what became of it."""
    path = root / settings.path
    entries: Iterator[Entry]
    to_row: Callable[[dict[str, Any], str, str], Row]
    if isinstance(settings, CampusLogs):
        entries, to_row = read_campus(path), campus_row
    else:
        entries, to_row = read_table(path), partial(_mapped_row, settings.fields)
    for entry in entries:
        problem = entry.problem
        if entry.value is not None:
            identity = f"{path.stem}-{entry.number:04d}"
            try:
                yield entry, to_row(entry.value, identity, f"{settings.path}:{entry.line}")
                continue
            except Malformed as error:
                problem = str(error)
        excerpt = _excerpt(entry)
        yield (
            entry,
            Quarantined(file=settings.path, line=entry.line, reason=problem or "", excerpt=excerpt),
        )


def refuse_duplicate_ids(rows: Iterable[Row], where: str) -> None:
    """Raises DataError listing the ids that more than one row has."""
    counts = Counter(row.id for row in rows)
    twice = [identity for identity, count in counts.items() if count > 1]
    if not twice:
        return
    shown = ", ".join(twice[:_LISTED]) + (", …" if len(twice) > _LISTED else "")
    raise DataError(
        f"{where}: {len(twice)} ids belong to more than one row: {shown}; make them differ, or map "
        "no id and give files different names to have rows numbered"
    )


def _mapped_row(fields: FieldMap, values: dict[str, Any], identity: str, origin: str) -> Row:
    return table_row(values, fields, identity, origin)


def _refuse_absent(path: Path, fields: FieldMap, columns: set[str]) -> None:
    """A misspelt column must not read as one that is always empty."""
    mapped = {
        "question": fields.question,
        "id": fields.id,
        "contexts": fields.contexts,
        "labels": fields.labels,
        "comment": fields.comment,
        **{f"answers.{name}": column for name, column in fields.answers.items()},
        **{f"tags.{name}": column for name, column in fields.tags.items()},
    }
    for setting, column in mapped.items():
        if column is None or column in columns:
            continue
        near = difflib.get_close_matches(column, sorted(columns), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(columns))}"
        raise DataError(f"{path}: fields.{setting} = {column!r}: no row has that column; {hint}")


def _excerpt(entry: Entry) -> str:
    text = entry.raw or repr(entry.value)
    return text[:_EXCERPT].strip("\r\n").encode("utf-8", "replace").decode()
