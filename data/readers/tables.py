"""Reads JSONL, CSV and Parquet, and turns a record into a row through a field map.

Knows the three formats and keeps going past a bad record; leaves to `logs` beside it what
becomes of one. Types are never guessed from a column's first values: every cell is turned into text
alone.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import DataError
from config.log_formats import FieldMap
from data.readers.cells import (
    Malformed,
    contexts_of,
    joined_text,
    labels_of,
    required_text,
    text_of,
)
from data.rows import Row

_WIDEST = 2**31 - 1  # csv's own limit, lifted: `cells` refuses what is too long, row by row


class Entry(NamedTuple):
    """One record as found: its values, or the problem that kept it from being read."""

    number: int  # 1-based number of the record
    line: int  # 1-based line that it begins on; in Parquet its number
    raw: str  # text as found, bytes that are not UTF-8 as surrogates; "" in Parquet
    value: dict[str, Any] | None
    problem: str | None


class RepeatedKey(NamedTuple):
    """Stands for a JSON object that gives a key twice."""

    key: str


def read_bytes(path: Path) -> bytes:
    """The file's bytes. Raises DataError when it is missing or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; paths are relative to the folder you are in"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; give a readable file") from None


def keyed_once(pairs: list[tuple[str, Any]]) -> dict[str, Any] | RepeatedKey:
    """An object's pairs as a dict, or the key that is given twice (json's object_pairs_hook)."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            return RepeatedKey(key)
        if isinstance(value, RepeatedKey):
            return value
        values[key] = value
    return values


def read_table(path: Path) -> Iterator[Entry]:
    """The records of a file, read by its suffix.

    Raises DataError for an unknown suffix, a missing file, or one that is not of its format.
    """
    readers = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: unknown suffix {path.suffix!r}; use {', '.join(sorted(readers))}")
    return reader(path)


def table_row(values: dict[str, Any], fields: FieldMap, identity: str, origin: str) -> Row:
    """The row in one record; `identity` is its id when no column holds one. Raises Malformed."""
    if fields.id is not None:
        identity = required_text(values.get(fields.id), fields.id).strip()
    answers = {name: text_of(values.get(key), key) for name, key in fields.answers.items()}
    tags = {name: joined_text(values.get(key), key) for name, key in fields.tags.items()}
    contexts = None if fields.contexts is None else values.get(fields.contexts)
    labels = None if fields.labels is None else values.get(fields.labels)
    comment = None if fields.comment is None else values.get(fields.comment)
    return Row(
        id=identity,
        question=required_text(values.get(fields.question), fields.question),
        contexts=contexts_of(contexts, fields.contexts or ""),
        tags={name: text for name, text in tags.items() if text},
        answers={name: text for name, text in answers.items() if text is not None},
        labels=labels_of(labels, fields.labels or ""),
        comment=joined_text(comment, fields.comment or ""),
        origin=origin,
    )


def read_jsonl(path: Path) -> Iterator[Entry]:
    """One record per line that is not blank; a byte order mark may open the file."""
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    index = 0
    for number, line in enumerate(io.BytesIO(data), 1):
        if not line.strip():
            continue
        index += 1
        raw = line.decode("utf-8", "surrogateescape")
        try:
            yield Entry(index, number, raw, _object(line), None)
        except Malformed as error:
            yield Entry(index, number, raw, None, str(error))


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=keyed_once)
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON at character {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, brackets 10,000 deep
        raise Malformed(f"not JSON that can be read: {type(error).__name__}") from None
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
    csv.field_size_limit(_WIDEST)
    taken: list[str] = []
    lines = _kept(io.StringIO(data, newline=""), taken)
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    header = next(_csv_records(path, reader, taken), None)
    columns = [] if header is None or header[2] is None else header[2]
    if not columns or len(set(columns)) != len(columns):
        raise DataError(
            f"{path}: the header {columns} is empty or repeats a column; name each once"
        )
    index = 0
    for line, raw, cells in _csv_records(path, reader, taken):
        if cells is not None and not cells:
            continue  # a blank line
        index += 1
        if cells is None:
            yield Entry(index, line, raw, None, "not CSV: a quote inside a quoted field")
        elif len(cells) != len(columns):
            problem = f"{len(cells)} fields under a header of {len(columns)}"
            yield Entry(index, line, raw, None, problem)
        else:
            yield Entry(index, line, raw, dict(zip(columns, cells, strict=True)), None)


def _kept(lines: Iterator[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _csv_records(
    path: Path, reader: Any, taken: list[str]
) -> Iterator[tuple[int, str, list[str] | None]]:
    """First line, text as found, and cells (None when it is not CSV) of the records left."""
    while True:
        taken.clear()
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise DataError(
                    f"{path}:{begins}: a quote opened in this row is never closed; close it"
                ) from None
            cells = None
        yield begins, "".join(taken), cells


def _parquet(path: Path) -> Iterator[Entry]:
    from data.parquet import read_parquet  # pyarrow is heavy and only one format needs it

    for index, value, problem in read_parquet(path):
        yield Entry(index, index, "", value, problem)
