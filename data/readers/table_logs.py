"""Readers of JSONL, CSV and Parquet, and the field map that turns a record into a row.

A malformed record does not stop a reader; `logs` quarantines it. No type is guessed from a column's
first values: every cell is converted on its own.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from config.errors import DataError
from config.log_formats import FieldMap
from data.atomic_write import write_bytes
from data.readers.cells import (
    Malformed,
    cell_contexts,
    cell_labels,
    cell_text,
    joined_text,
    required_text,
)
from data.readers.entry import Entry, RepeatedKey, read_bytes, unique_keys
from data.rows import Row

_CSV_FIELD_LIMIT = 2**31 - 1  # none in effect: `cells` rejects long fields, row by row


def read_table(path: Path) -> Iterator[Entry]:
    """The records of a file, read by its suffix.

    Raises DataError when the suffix is unknown, the file is missing, or it is of another format.
    """
    readers = {
        ".jsonl": read_jsonl,
        ".ndjson": read_jsonl,
        ".csv": read_csv,
        ".parquet": read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: unknown suffix {path.suffix!r}; use {', '.join(sorted(readers))}")
    return reader(path)


def table_row(values: dict[str, Any], fields: FieldMap, default_id: str, origin: str) -> Row:
    """The row in one record; `default_id` applies when no column is the id. Raises Malformed."""
    if fields.id is not None:
        default_id = required_text(values.get(fields.id), fields.id).strip()
    answers = {name: cell_text(values.get(key), key) for name, key in fields.answers.items()}
    tags = {name: joined_text(values.get(key), key) for name, key in fields.tags.items()}
    contexts = None if fields.contexts is None else values.get(fields.contexts)
    labels = None if fields.labels is None else values.get(fields.labels)
    comment = None if fields.comment is None else values.get(fields.comment)
    return Row(
        id=default_id,
        question=required_text(values.get(fields.question), fields.question),
        contexts=cell_contexts(contexts, fields.contexts or ""),
        tags={name: text for name, text in tags.items() if text},
        answers={name: text for name, text in answers.items() if text is not None},
        labels=cell_labels(labels, fields.labels or ""),
        comment=joined_text(comment, fields.comment or ""),
        origin=origin,
    )


def read_jsonl(path: Path) -> Iterator[Entry]:
    """One record per line that is not blank; a byte order mark may start the file."""
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    lines = ((position, line) for position, line in enumerate(io.BytesIO(data), 1) if line.strip())
    for number, (line_number, line) in enumerate(lines, 1):
        raw = line.decode("utf-8", "surrogateescape")
        try:
            yield Entry(number, line_number, raw, _parse_object(line), None)
        except Malformed as error:
            yield Entry(number, line_number, raw, None, str(error))


def _parse_object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=unique_keys)
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON at character {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 brackets
        raise Malformed(f"JSON that cannot be parsed: {type(error).__name__}") from None
    if isinstance(value, RepeatedKey):
        raise Malformed(f"key {value.key[:40]!r} is given twice")
    if not isinstance(value, dict):
        raise Malformed(f"expected an object, found {type(value).__name__}")
    return value


def read_csv(path: Path, delimiter: str = ",") -> Iterator[Entry]:
    """One record per CSV row below the header; a byte that is not UTF-8 spoils only its row.

    Raises DataError when the header repeats a column or a quote is never closed.
    """
    data = read_bytes(path).decode("utf-8-sig", "surrogateescape")
    csv.field_size_limit(_CSV_FIELD_LIMIT)
    consumed: list[str] = []
    lines = _record_lines(io.StringIO(data, newline=""), consumed)
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    header = next(_csv_records(path, reader, consumed), None)
    columns = [] if header is None or header[2] is None else header[2]
    if not columns or len(set(columns)) != len(columns):
        raise DataError(
            f"{path}: the header {columns} is empty or repeats a column; name each once"
        )
    records = (record for record in _csv_records(path, reader, consumed) if record[2] != [])
    for number, (line, raw, cells) in enumerate(records, 1):  # without blank lines
        if cells is None:
            yield Entry(number, line, raw, None, "not CSV: a quote inside a quoted field")
        elif len(cells) != len(columns):
            problem = f"{len(cells)} fields under a header of {len(columns)}"
            yield Entry(number, line, raw, None, problem)
        else:
            yield Entry(number, line, raw, dict(zip(columns, cells, strict=True)), None)


def _record_lines(lines: Iterator[str], consumed: list[str]) -> Iterator[str]:
    for line in lines:
        consumed.append(line)
        yield line


def _csv_records(
    path: Path, reader: Any, consumed: list[str]
) -> Iterator[tuple[int, str, list[str] | None]]:
    """First line, original text, and cells (None when it is not CSV) of the remaining records."""
    while True:
        consumed.clear()
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise DataError(
                    f"{path}:{line}: a quote opened in this row is never closed; close it"
                ) from None
            cells = None
        yield line, "".join(consumed), cells


def read_parquet(path: Path) -> Iterator[Entry]:
    """One record per row, converted cell by cell: an unreadable cell spoils only its row.

    Raises DataError when the file is missing, is not Parquet, or repeats a column.
    """
    table = _load_parquet(path)
    names = table.column_names
    if len(set(names)) != len(names):
        raise DataError(f"{path}: the columns {names} repeat a name; name each once")
    number = 0
    for batch in table.to_batches(max_chunksize=1024):
        columns = [batch.column(index) for index in range(batch.num_columns)]
        for row in range(batch.num_rows):
            number += 1
            try:
                values = [column[row].as_py() for column in columns]
            except (ValueError, OverflowError) as error:  # invalid UTF-8, a date out of range
                problem = f"a cell that cannot be read: {type(error).__name__}"
                yield Entry(number, number, "", None, problem)
            else:
                yield Entry(number, number, "", dict(zip(names, values, strict=True)), None)


def add_parquet_column(source: Path, column: str, texts: Sequence[str], out: Path) -> None:
    """Writes `source` with one more text column; types and schema metadata stay."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _load_parquet(source).append_column(column, pa.array(texts, pa.string()))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_bytes(out, buffer.getvalue())


def _load_parquet(path: Path) -> Any:
    import pyarrow as pa  # heavy, and only one format needs it
    import pyarrow.parquet as pq

    try:
        return pq.read_table(io.BytesIO(read_bytes(path)))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a Parquet file: {reason}; write it again") from None
