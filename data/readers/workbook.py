"""Reader of Excel workbooks: the first sheet with a header row, one record per row below it.

`workbook_file` checks the file before it is unpacked. Cells hold the values that Excel stored last;
a formula is not computed here.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from warnings import filterwarnings
from zipfile import BadZipFile
from zlib import error as ZlibError

from config.errors import DataError, first_line
from data.atomic_write import write_bytes
from data.readers.cells import FormulaError
from data.readers.entry import Entry, open_file
from data.readers.workbook_file import SAVE_AS_WORKBOOK, check_workbook, has_formulas

_MAX_ROWS = 1_048_576  # of a sheet, by the format
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")  # a character that XML cannot hold: _x000D_
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MAX_CELL = 32_767  # characters, by the format
_DAMAGED = (  # what openpyxl raises on changed XML
    *(BadZipFile, ZlibError, EOFError, LookupError, ValueError, TypeError, AttributeError),
    *(ArithmeticError, AssertionError, SyntaxError, OSError),
)
_Cells = Sequence[Any]  # values of one row


class _Header(NamedTuple):
    sheet: str
    line: int  # row of the sheet, from 1
    columns: tuple[str, ...]  # "": without a name


def read_workbook(path: Path, unread: list[str] | None = None) -> Iterator[Entry]:
    """One record per row below the header; blank rows are skipped. `line` is the sheet's row.

    unread: receives the other sheets that hold anything, before the first record. A cell with a
    formula error, or with a formula without a stored result, holds a FormulaError.
    Raises DataError when the file is damaged, protected by a password, unpacks to too much, or has
    no sheet with a header row.
    """
    with _open(path) as book:
        header = _find_header(path, book)
        if unread is not None:
            unread += _other_sheets(book, header)
        formulas = _formula_rows(path, header.sheet) if has_formulas(path) else None
        rows = _rows(book[header.sheet], formulas)
        number = 0
        for line, cells in rows:
            if line <= header.line or not any(map(_is_filled, cells)):
                continue
            number += 1
            yield _entry(number, line, cells, header)


def _other_sheets(book: Any, header: _Header) -> Iterator[str]:
    for sheet in book.worksheets:
        if sheet.title != header.sheet and _first_rows(sheet):
            yield f"sheet {sheet.title!r}"


@contextmanager
def _open(path: Path, *, formulas: bool = False) -> Iterator[Any]:
    """The workbook, whose sheets are read row by row."""
    import openpyxl  # only workbooks need it

    check_workbook(path)
    filterwarnings("ignore", module="openpyxl")  # on styles and extensions, which are not read
    with open_file(path) as file:
        try:
            yield openpyxl.load_workbook(
                file, read_only=True, data_only=not formulas, keep_links=False
            )
        except DataError:
            raise
        except _DAMAGED as error:
            reason = first_line(error, 100)
            raise DataError(
                f"{path}: a damaged Excel workbook ({reason}); open it in Excel and "
                f"{SAVE_AS_WORKBOOK}"
            ) from None


def _rows(sheet: Any, formulas: Iterator[_Cells] | None = None) -> Iterator[tuple[int, _Cells]]:
    """The rows of a sheet from 1, also blank ones, with their values."""
    sheet.reset_dimensions()  # some programs write wrong ones, and rows would be cut off
    for line, row in enumerate(sheet.iter_rows(), 1):
        if line > _MAX_ROWS:
            raise ValueError(f"more than {_MAX_ROWS:,} rows")
        sources = next(formulas, ()) if formulas is not None else ()
        values = [_value(cell) for cell in row]
        for at, (cell, source) in enumerate(zip(row, sources, strict=False)):
            # the result "" is stored as text, which openpyxl gives as None
            is_text = cell.data_type in ("s", "str", "inlineStr")
            if source.data_type == "f" and cell.value is None and not is_text:
                values[at] = FormulaError("a formula without a stored result")
        yield line, values


def _formula_rows(path: Path, name: str) -> Iterator[_Cells]:
    """The cells of a sheet with their formulas, row by row."""
    with _open(path, formulas=True) as book:
        book[name].reset_dimensions()
        yield from book[name].iter_rows()


def _value(cell: Any) -> Any:
    """The value of a cell; text without escapes, and errors of formulas."""
    value = cell.value
    if cell.data_type == "e":
        return None if value == "#N/A" else FormulaError(f"the formula error {value}")
    if isinstance(value, str) and "_x" in value:
        return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value)
    return value


def _is_filled(value: Any) -> bool:
    return value is not None and (not isinstance(value, str) or bool(value.strip()))


def _first_rows(sheet: Any) -> list[tuple[int, _Cells]]:
    """The first two rows of a sheet that are not blank."""
    return list(islice((row for row in _rows(sheet) if any(map(_is_filled, row[1]))), 2))


def _find_header(path: Path, book: Any) -> _Header:
    """The first row of the first visible sheet that has a row of names and others below it."""
    sheets = {sheet: _first_rows(sheet) for sheet in book.worksheets}
    visible = [
        (sheet.title, *rows[0], len(rows))
        for sheet, rows in sheets.items()
        if rows and sheet.sheet_state == "visible"
    ]
    # a single row may be the title of a cover sheet
    for sheet, line, cells, _ in sorted(visible, key=lambda part: part[-1], reverse=True):
        if _no_name(cells) is None:
            columns = tuple((cell or "").strip() for cell in cells)
            _check_columns(path, sheet, columns)
            return _Header(sheet, line, columns)
    first = "all are empty"
    if visible:
        sheet, line, cells, _ = visible[0]
        value = str(_no_name(cells))[:40]
        first = f"row {line} of sheet {sheet!r} holds {value!r}, which is no name of a column"
    raise DataError(
        f"{path}: no visible sheet begins with a header row: {first}; put a row with the names of "
        "the columns above the values"
    )


def _no_name(cells: _Cells) -> object:
    """The first value that is no text; None where all are texts or blank."""
    return next((cell for cell in cells if cell is not None and not isinstance(cell, str)), None)


def _check_columns(path: Path, sheet: str, columns: Sequence[str]) -> None:
    names = [name for name in columns if name]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(
            f"{path}: the header of sheet {sheet!r} repeats the column {repeated!r}; name each once"
        )


def add_workbook_column(source: Path, column: str, texts: Sequence[str], out: Path) -> None:
    """Writes the sheet that is read, its values alone, with one more column of texts.

    texts: for each row that `read_workbook` gives. Raises DataError for a text that no cell holds.
    """
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    for number, text in enumerate(texts, 1):
        if len(text) > _MAX_CELL:
            raise DataError(
                f"{source}: record {number}: the answer has {len(text)} characters, and a cell of "
                f"Excel holds {_MAX_CELL}; give the file as CSV"
            )
    result = openpyxl.Workbook(write_only=True)
    with _open(source) as book:
        header = _find_header(source, book)
        sheet = result.create_sheet(header.sheet)
        width, added = len(header.columns), iter(texts)
        for line, cells in _rows(book[header.sheet]):
            values: list[object] = [
                str(value.reason) if isinstance(value, FormulaError) else value for value in cells
            ]
            if line == header.line:
                values = [*values, column]
            elif line > header.line and any(map(_is_filled, cells)):
                blank = [None] * (width - len(values))
                values = [*values[:width], *blank, next(added), *values[width:]]
            row = [WriteOnlyCell(sheet, _stored(value)) for value in values]
            for cell in row:
                if cell.data_type == "f":  # a text that begins with "="
                    cell.data_type = "s"
            sheet.append(row)
    buffer = io.BytesIO()
    result.save(buffer)
    write_bytes(out, buffer.getvalue())


def _stored(value: object) -> object:
    """The value as a cell takes it."""
    if not isinstance(value, str):
        return value
    return _UNSTORABLE.sub(lambda match: f"_x{ord(match[0]):04X}_", value)


def _entry(number: int, line: int, cells: _Cells, header: _Header) -> Entry:
    from openpyxl.utils import get_column_letter

    columns = header.columns
    for at, cell in enumerate(cells):
        if _is_filled(cell) and (at >= len(columns) or not columns[at]):
            letter = get_column_letter(at + 1)
            problem = (
                f"a value in column {letter}, which has no name in the header, row {header.line}"
            )
            return Entry(number, line, "", None, problem)
    values = dict.fromkeys(name for name in columns if name)
    values.update((name, cell) for name, cell in zip(columns, cells, strict=False) if name)
    return Entry(number, line, "", values, None)
