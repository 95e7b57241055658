"""Reader of a table by its suffix, and the field map that turns a record into a row.

A malformed record does not stop a reader; `logs` quarantines it. No type is guessed from a column's
first values: every cell is converted on its own.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from config.errors import DataError
from config.log_formats import FieldMap
from data.atomic_write import write_bytes
from data.label_meaning import is_mapped, read_rating
from data.readers.cells import cell_labels, cell_text, joined_text, required_text
from data.readers.csv_logs import read_csv
from data.readers.entry import Entry, open_file
from data.readers.field_path import check_is_text, find_value
from data.readers.json_logs import read_json
from data.readers.passages import cell_contexts
from data.readers.workbook import read_workbook
from data.readers.workbook_file import SAVE_AS_WORKBOOK
from data.rows import Row

CSV_SUFFIXES = (".csv", ".tsv")
_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
_TEXT_SUFFIXES = (*CSV_SUFFIXES, *_JSON_SUFFIXES)
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm")
_PACKED_SUFFIXES = tuple(f"{suffix}.gz" for suffix in _TEXT_SUFFIXES)
TABLE_SUFFIXES = (*_TEXT_SUFFIXES, *_PACKED_SUFFIXES, ".parquet", *WORKBOOK_SUFFIXES)
_BATCH = 1024  # rows of a Parquet file that are in memory
OTHER_WORKBOOKS = (".xls", ".xlsb", ".ods", ".numbers")


def read_table(path: Path, unread: list[str] | None = None) -> Iterator[Entry]:
    """The records of a file, read by its suffix.

    unread: receives the sheets of a workbook that are not read.
    Raises DataError when the suffix is unknown, the file is missing, or it is of another format.
    """
    suffix = log_suffix(path).lower()
    if suffix == ".parquet":
        return read_parquet(path)
    if suffix.removesuffix(".gz") in CSV_SUFFIXES:
        return read_csv(path)
    if suffix.removesuffix(".gz") in _JSON_SUFFIXES:
        return read_json(path)
    if suffix in WORKBOOK_SUFFIXES:
        return read_workbook(path, unread)
    if suffix in OTHER_WORKBOOKS:
        raise DataError(f"{path}: a workbook of the kind {suffix} is not read; {SAVE_AS_WORKBOOK}")
    use = ", ".join(sorted(_TEXT_SUFFIXES))
    raise DataError(
        f"{path}: unknown suffix {suffix!r}; use {use}, each also with .gz, .parquet or .xlsx"
    )


def log_suffix(path: Path) -> str:
    """The suffix of a log file, with the one before `.gz`."""
    is_gzip = path.suffix.lower() == ".gz"
    return Path(path.stem).suffix + path.suffix if is_gzip else path.suffix


def table_row(values: dict[str, Any], fields: FieldMap, default_id: str, origin: str) -> Row:
    """The row in one record; `default_id` applies when no column is the id. Raises Malformed."""
    if fields.id is not None:
        identity = _field(values, fields.id)
        check_is_text(identity, fields.id)
        default_id = required_text(identity, fields.id).strip()
    answers = {name: _text(values, path) for name, path in fields.answers.items()}
    tags = {name: joined_text(_field(values, path), path) for name, path in fields.tags.items()}
    labels = _labels(_field(values, fields.labels), fields)
    question = _field(values, fields.question)
    check_is_text(question, fields.question)
    return Row(
        id=default_id,
        question=required_text(question, fields.question),
        contexts=cell_contexts(_field(values, fields.contexts), fields.contexts or ""),
        tags={name: text for name, text in tags.items() if text},
        answers={name: text for name, text in answers.items() if text is not None},
        labels=labels,
        rating=fields.label_map and read_rating(labels, fields.label_map, fields.answers),
        comment=joined_text(_field(values, fields.comment), fields.comment or ""),
        origin=origin,
    )


def _field(values: dict[str, Any], path: str | None) -> Any:
    """The value at a path; None when there is none or no path is set."""
    try:
        return None if path is None else find_value(values, path)
    except KeyError:
        return None


def _labels(value: Any, fields: FieldMap) -> tuple[str, ...] | None:
    """The labels of a cell, split at commas unless the label map has the whole cell."""
    name = fields.labels or ""
    text = None if isinstance(value, list | tuple | dict) else cell_text(value, name)
    if text is not None and fields.label_map is not None and is_mapped(text, fields.label_map):
        return (text.strip(),)
    return cell_labels(value, name)


def _text(values: dict[str, Any], path: str) -> str | None:
    """The text of an answer, which may be JSON, but no list or object."""
    value = _field(values, path)
    if not isinstance(value, str):
        check_is_text(value, path)
    return cell_text(value, path)


def read_parquet(path: Path) -> Iterator[Entry]:
    """One record per row, converted cell by cell: an unreadable cell spoils only its row.

    Raises DataError when the file is missing, is not Parquet, or repeats a column.
    """
    import pyarrow as pa  # heavy, and only one format needs it
    import pyarrow.parquet as pq

    rows = 0
    with open_file(path) as file:
        try:
            table = pq.ParquetFile(file)
            names = table.schema_arrow.names
            _check_unique_columns(path, names)
            for batch in table.iter_batches(batch_size=_BATCH):
                yield from _batch_entries(batch, names, rows)
                rows += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _not_parquet(path, error) from None
        finally:
            pa.default_memory_pool().release_unused()  # of the pages that were unpacked


def _check_unique_columns(path: Path, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise DataError(f"{path}: the columns {names} repeat a name; name each once")


def _batch_entries(batch: Any, names: Sequence[str], before: int) -> Iterator[Entry]:
    """`before`: rows of the file before the batch."""
    for number, cells in enumerate(zip(*batch.columns, strict=True), before + 1):
        try:
            values = [cell.as_py() for cell in cells]
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
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(path) as file:
            return pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from None


def _not_parquet(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError(f"{path}: not a Parquet file: {reason}; write it again")
