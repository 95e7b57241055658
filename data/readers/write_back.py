"""Writes answers back into the hidden set's own file format, as one more column.

JSON and CSV are spliced, not rewritten, so that everything else, even a malformed record, stays
byte for byte.
"""

import io
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from config.errors import DataError
from config.log_formats import Logs, MappedLogs
from data.atomic_write import write_bytes
from data.readers.csv_logs import CsvHeader, open_csv
from data.readers.entry import Entry
from data.readers.logs import parse_entries
from data.readers.recognise import mapped_logs, scan_source
from data.readers.table_logs import (
    CSV_SUFFIXES,
    WORKBOOK_SUFFIXES,
    add_parquet_column,
    log_suffix,
)
from data.readers.text_file import read_text, text_form
from data.readers.turn_template import PromptText
from data.readers.workbook import add_workbook_column
from data.rows import Row


def write_back(
    source: Logs,
    root: Path,
    answers: Mapping[str, str],
    column: str,
    out: Path,
    prompt: PromptText | None = None,
) -> tuple[str, ...]:
    """Writes the source file with a new `column`, the answers by row id, to `out`.

    `prompt`: the one with which the rows were read, as it decides on their ids and questions.

    Of recognised conversations and exports, the rows are written with their answers as JSONL.
    Returns the records that got an empty text for lack of an answer: row ids, or `file:line` of
    malformed records (one that is not a JSON object stays as it is). Raises DataError when the file
    has no records, the column exists, or an answer belongs to no row.
    """
    mapped = mapped_logs(source, root)
    if mapped is None:
        rows: list[Row] = []
        scan_source(source, root, rows.append, prompt)
        _check_known(root / source.path, set(answers).difference(row.id for row in rows))
        return _write_rows(rows, answers, column, out)
    return _write_mapped(mapped, root, answers, column, out)


def answers_suffix(source: Logs, root: Path) -> str:
    """The suffix of the file that `write_back` writes."""
    mapped = mapped_logs(source, root)
    if mapped is None:
        return ".jsonl"
    suffix = log_suffix(Path(mapped.path))
    return ".xlsx" if suffix.lower() in WORKBOOK_SUFFIXES else suffix  # macros are not kept


def _write_rows(
    rows: Sequence[Row], answers: Mapping[str, str], column: str, out: Path
) -> tuple[str, ...]:
    lines = []
    for row in rows:
        values = row.model_dump(mode="json", include={"id", "question", "history", "origin"})
        lines.append(json.dumps({**values, column: answers.get(row.id, "")}, ensure_ascii=False))
    write_bytes(out, "".join(f"{line}\n" for line in lines).encode())
    return tuple(row.id for row in rows if row.id not in answers)


def _write_mapped(
    source: MappedLogs, root: Path, answers: Mapping[str, str], column: str, out: Path
) -> tuple[str, ...]:
    path = root / source.path
    records = list(parse_entries(source, root))
    entries = [entry for entry, _ in records]
    ids = [record.id if isinstance(record, Row) else None for _, record in records]
    _check(path, column, entries, set(answers).difference(ids))
    texts = ["" if row is None else answers.get(row, "") for row in ids]
    if path.suffix.lower() == ".parquet":
        add_parquet_column(path, column, texts, out)
    elif path.suffix.lower() in WORKBOOK_SUFFIXES:
        add_workbook_column(path, column, texts, out)
    else:
        write_bytes(out, _spliced(path, column, entries, texts))
    return tuple(
        row or f"{source.path}:{entry.line}"
        for row, entry in zip(ids, entries, strict=True)
        if row is None or row not in answers
    )


def _check(path: Path, column: str, entries: Sequence[Entry], unknown_rows: set[str]) -> None:
    if not entries:
        raise DataError(f"{path}: contains no rows; is it the right file?")
    if any(entry.value is not None and column in entry.value for entry in entries):
        raise DataError(f"{path}: column {column!r} exists already; name the new one differently")
    _check_known(path, unknown_rows)


def _check_known(path: Path, unknown_rows: set[str]) -> None:
    if unknown_rows:
        raise DataError(
            f"{path}: {len(unknown_rows)} answers belong to none of its rows, the first to "
            f"{min(unknown_rows)!r}; answer this file's rows"
        )


def _spliced(path: Path, column: str, entries: Sequence[Entry], texts: Sequence[str]) -> bytes:
    """The file with a text inserted into each record; keeps bytes that are not UTF-8."""
    form = text_form(path)
    text = read_text(path)
    is_csv = log_suffix(path).lower().removesuffix(".gz") in CSV_SUFFIXES
    header = open_csv(path)[0] if is_csv else None
    position, parts = 0, list[str]()
    if header is not None:
        position = _header_length(text, entries[0].line)
        parts.append(_csv_field(header, text[:position], column))
    for entry, answer in zip(entries, texts, strict=True):
        start = text.index(entry.raw, position)  # only blanks and commas in between
        parts.append(text[position:start])
        if header is None:
            parts.append(_json_field(entry, column, answer))
        else:
            parts.append(_csv_field(header, entry.raw, answer))
        position = start + len(entry.raw)
    parts.append(text[position:])
    return form.encode("".join(parts))


def _header_length(text: str, line: int) -> int:
    """Length of the header and the lines around it, above a 1-based line."""
    return sum(len(part) for part in islice(io.StringIO(text, newline=""), line - 1))


def _csv_field(header: CsvHeader, raw: str, value: str) -> str:
    """The record with one more field, in place of empty ones behind the last column."""
    body = raw.rstrip("\r\n")
    surplus = header.surplus(raw, header.split(raw))
    quoted = '"' + value.replace('"', '""') + '"'
    return f"{body[: len(body) - surplus]}{header.delimiter}{quoted}{raw[len(body) :]}"


def _json_field(entry: Entry, column: str, answer: str) -> str:
    """The object with one more key, separated by the white space before its first key."""
    if entry.value is None:
        return entry.raw
    field = f"{json.dumps(column, ensure_ascii=False)}: {json.dumps(answer, ensure_ascii=False)}"
    start, end = entry.raw.index("{") + 1, entry.raw.rindex("}")
    body = entry.raw[start:end]
    text = body.rstrip()
    comma = "," + (body[: len(body) - len(body.lstrip())] or " ") if entry.value else ""
    return f"{entry.raw[:start]}{text}{comma}{field}{body[len(text) :]}{entry.raw[end:]}"
