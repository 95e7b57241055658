"""The sheet on which people label answers: how it is written, and how it comes back.

Knows what spreadsheet programs do to a CSV file: they run formulas, turn ids into numbers, and
save with another separator. Leaves to others which answers are asked about.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from data.answers import Answer
from data.readers.cells import Malformed, cell_text
from data.readers.tables import Entry, read_bytes, read_csv
from data.records import digest
from data.rows import Row

COLUMNS = ("id", "row", "question", "contexts", "answer", "verdict", "comment")
CELL = 32_767  # characters that Excel keeps of a cell
_BOM = "\ufeff"  # without it Excel reads UTF-8 as the local code page
_VERDICTS = {"good": True, "bad": False, "": None}


class Mark(NamedTuple):
    """One line of a sheet that came back."""

    line: int
    answer: str  # the answer's id on the sheet
    good: bool | None  # None: not labelled
    comment: str | None


def answer_id(answer: Answer) -> str:
    """The id of an answer on the sheet: tells nothing of its arm, and changes with its text.

    Begins with a letter: of hex digits alone, 1234e5 would come back as the number 123400000.
    """
    return "a" + digest([answer.arm, answer.row, answer.sample, answer.text])[:12]


def sheet(pairs: Iterable[tuple[Row, Answer]]) -> bytes:
    """The sheet of these answers as CSV in UTF-8, with nothing in it that would be computed."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row, answer in pairs:
        contexts = "\n\n".join(passage.text for passage in row.contexts)
        cells = (answer_id(answer), row.id, row.question, contexts, answer.text, "", "")
        writer.writerow(map(_inert, cells))
    return (_BOM + file.getvalue()).encode()


def _inert(cell: str) -> str:
    """The cell as text: OWASP's "CSV injection", the characters that begin a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def read_sheet(path: Path) -> list[Mark]:
    """The marks on a sheet, also one saved with semicolons or tabs between the cells.

    Raises DataError naming the line of a verdict that is none, of an id given twice, or of a row
    that is no CSV.
    """
    header = read_bytes(path).split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    delimiter = max(",;\t", key=header.count)
    marks: list[Mark] = []
    seen: dict[str, int] = {}
    for mark in _marks(path, read_csv(path, delimiter)):
        if mark.answer in seen:
            raise DataError(
                f"{path}:{mark.line}: id {mark.answer!r} is on line {seen[mark.answer]} already; "
                "keep one of the two"
            )
        seen[mark.answer] = mark.line
        marks.append(mark)
    return marks


def _marks(path: Path, entries: Iterable[Entry]) -> Iterator[Mark]:
    for entry in entries:
        where = f"{path}:{entry.line}"
        if entry.value is None:
            raise DataError(f"{where}: {entry.problem}; mend the row")
        cells = entry.value
        for column in ("id", "verdict", "comment"):
            if column not in cells:
                raise DataError(
                    f"{where}: no column {column!r}; keep the header {','.join(COLUMNS)}"
                )
        if not any(cell.strip() for cell in cells.values()):
            continue  # a line of empty cells, as spreadsheet programs leave at the end
        verdict = cells["verdict"].strip().lower()
        if verdict not in _VERDICTS:
            raise DataError(
                f"{where}: verdict {verdict[:40]!r} is none; write good or bad, or leave it empty"
            )
        try:
            comment = cell_text(cells["comment"].strip(), "comment") or None
        except Malformed as error:
            raise DataError(f"{where}: {error}; save the sheet as CSV in UTF-8") from None
        yield Mark(entry.line, cells["id"].strip(), _VERDICTS[verdict], comment)
