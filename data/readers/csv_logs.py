"""Reader of CSV as programs save it: any of four delimiters, `sep=`, trailing delimiters.

The header and the rows below it decide the delimiter. No type is guessed: every cell is text.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import DataError
from data.readers.entry import Entry
from data.readers.promptfoo_csv import distinct_columns
from data.readers.text_file import SAVE_AS_UTF8, read_lines

_FIELD_LIMIT = 2**31 - 1  # none in effect: `cells` rejects long fields, row by row
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)  # Excel's, above the header
_HEAD = 50  # lines that decide the delimiter
_Record = tuple[int, str, list[str] | None]  # first line, text, cells; None: not CSV


class CsvHeader(NamedTuple):
    """How a CSV file splits its rows."""

    delimiter: str
    columns: tuple[str, ...]  # "": without a name

    def split(self, record: str) -> list[str]:
        """The cells of one record's text."""
        return _split(record, self.delimiter)

    def surplus(self, record: str, cells: Sequence[str]) -> int:
        """The empty cells behind the last column, of delimiters that end a row."""
        count = max(len(cells) - len(self.columns), 0)
        return count if record.rstrip("\r\n").endswith(self.delimiter * count) else 0


def read_csv(path: Path) -> Iterator[Entry]:
    """One record per CSV row below the header; a byte that is not UTF-8 spoils only its row.

    Raises DataError when the header repeats a column or is not UTF-8, or a quote is never closed.
    """
    header, records = open_csv(path)
    width = len(header.columns)
    for number, (line, raw, cells) in enumerate(records, 1):
        if cells is None:
            yield Entry(number, line, raw, None, "not CSV: a quote inside a quoted field")
        elif len(cells) - header.surplus(raw, cells) != width:
            yield Entry(number, line, raw, None, f"{len(cells)} fields under a header of {width}")
        else:
            named = zip(header.columns, cells, strict=False)  # without empty cells behind the last
            yield Entry(number, line, raw, {name: cell for name, cell in named if name}, None)


def open_csv(path: Path) -> tuple[CsvHeader, Iterator[_Record]]:
    """The header, and the records below it that are not blank lines. Raises as `read_csv` does."""
    csv.field_size_limit(_FIELD_LIMIT)
    lines = read_lines(path, "")
    head = list(islice(lines, _HEAD))
    separator = _SEPARATOR_LINE.fullmatch(head[0]) if head else None
    above = 1 if separator else 0
    delimiter = separator[1] if separator else _find_delimiter(path, head)
    all_records = _records(path, chain(head[above:], lines), above, delimiter)
    records = (record for record in all_records if record[2] != [])
    header = next((record[2] for record in records), None)
    columns = distinct_columns([name.strip() for name in header or ()])
    _check_header(path, columns)
    return CsvHeader(delimiter, columns), records


def _check_header(path: Path, columns: Sequence[str]) -> None:
    names = [name for name in columns if name]
    header = ", ".join(names).encode("utf-8", "replace").decode()
    if header != ", ".join(names) or "\0" in header:
        raise DataError(f"{path}: the header {header[:80]!r} is not UTF-8; {SAVE_AS_UTF8}")
    if not names or len(set(names)) != len(names):
        raise DataError(
            f"{path}: the header {list(columns)} is empty or repeats a column; name each once"
        )


def _find_delimiter(path: Path, head: Sequence[str]) -> str:
    """The delimiter in the header that splits the rows below it alike; a .tsv file has tabs."""
    if ".tsv" in (suffix.lower() for suffix in path.suffixes):
        return "\t"
    header = next((line for line in head if line.strip()), "")
    candidates = [mark for mark in _DELIMITERS if len(_split(header, mark)) > 1]
    if len(candidates) < 2:
        return "".join(candidates) or ","
    return max(candidates, key=lambda delimiter: _agreement(head, delimiter))


def _split(record: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter), [])


def _agreement(head: Sequence[str], delimiter: str) -> tuple[float, int]:
    """Share of the rows that have as many fields as the header, and this number.

    The share is 0 if the header is one field.
    """
    widths = [len(cells) for cells in csv.reader(head, delimiter=delimiter) if cells]
    share = widths.count(widths[0]) / len(widths) if widths[0] > 1 else 0.0
    return share, widths[0]


def _records(path: Path, lines: Iterable[str], above: int, delimiter: str) -> Iterator[_Record]:
    """The records of the lines, of which the first is line `above` + 1 of the file."""
    consumed: list[str] = []
    reader: Any = csv.reader(_noted(lines, consumed), strict=True, delimiter=delimiter)
    while True:
        consumed.clear()
        line = above + reader.line_num + 1
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


def _noted(lines: Iterable[str], consumed: list[str]) -> Iterator[str]:
    for line in lines:
        consumed.append(line)
        yield line
