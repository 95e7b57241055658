"""Parquet in and out: the one file that imports pyarrow.

Reads cell by cell, so that one cell that cannot be read spoils only its row.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from config.errors import DataError
from data.atomic_write import write_bytes
from data.readers.tables import read_bytes


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any] | None, str | None]]:
    """Number from 1, values by column, and the problem when a cell cannot be read.

    Raises DataError when the file is missing, is not Parquet, or repeats a column.
    """
    table = _table(path)
    names = table.column_names
    if len(set(names)) != len(names):
        raise DataError(f"{path}: the columns {names} repeat a name; name each once")
    index = 0
    for batch in table.to_batches(max_chunksize=1024):
        columns = [batch.column(place) for place in range(batch.num_columns)]
        for place in range(batch.num_rows):
            index += 1
            try:
                values = [column[place].as_py() for column in columns]
            except (ValueError, OverflowError) as error:  # bad UTF-8, a date out of range
                yield index, None, f"a cell that cannot be read: {type(error).__name__}"
            else:
                yield index, dict(zip(names, values, strict=True)), None


def add_column(source: Path, column: str, texts: Sequence[str], out: Path) -> None:
    """Writes `source` with one text column more, types and schema metadata unchanged."""
    table = _table(source)
    table = table.append_column(column, pa.array(texts, pa.string()))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_bytes(out, buffer.getvalue())


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(read_bytes(path)))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: not a Parquet file: {reason}; write it again") from None
