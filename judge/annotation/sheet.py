"""The CSV sheet on which people label answers, and the record of their labels.

Handles what spreadsheet programs do to a CSV file: they run formulas, turn ids into numbers, and
save with another separator.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from data.answers import Answer
from data.jsonl import read_stored_record
from data.readers.cells import Malformed, cell_text
from data.readers.csv_logs import read_csv
from data.readers.entry import Entry
from data.records import Record, digest
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.inert_cell import cell_source, inert_cell
from prompts.rules import Rule

COLUMNS = ("id", "row", "question", "contexts", "answer", "verdict", "comment")
RULE_COLUMN = "rule"  # on a sheet about one rule: its id, and behind a colon what it demands
EXCEL_CELL = 32_767  # characters that Excel keeps of a cell
_BOM = "\ufeff"  # without it Excel reads UTF-8 as the local code page
_VERDICTS = {"good": True, "bad": False, "": None}


class SheetLine(NamedTuple):
    """A labelled or blank line of a sheet."""

    number: int  # line number in the file
    answer: str  # the answer's id, see `answer_id`
    good: bool | None  # None: not labelled
    comment: str | None
    rule: str | None = None  # the rule that the verdict is about; None: the answer as a whole


class Label(Record):
    """A person's verdict on one answer."""

    answer: str  # its id, see `answer_id`
    row: str
    sample: int
    good: bool
    comment: str | None


class ArmLabels(Record):
    """People's verdicts on one arm's answers."""

    labels: tuple[Label, ...]
    blank: int  # lines of the sheet without a verdict


class Labels(Record):
    """judge/labels.json."""

    arms: dict[str, ArmLabels]  # whether an answer is good
    rules: dict[str, dict[str, ArmLabels]] = {}  # rule → arm; whether an answer obeys that rule


def stored_labels(run: RunPaths) -> Labels:
    """The labels of a run; none where nobody has labelled. Raises DataError for a broken file."""
    way_out = "restore it from a copy, or remove it and import the sheets again"
    return read_stored_record(run.labels, Labels, way_out) or Labels(arms={})


def answer_id(answer: Answer) -> str:
    """The id of an answer on the sheet: hides its arm, and changes with its text.

    Begins with a letter: with hex digits alone, 1234e5 would come back as the number 123400000.
    """
    return "a" + digest([answer.arm, answer.row, answer.sample, answer.text])[:12]


def format_sheet(pairs: Iterable[tuple[Row, Answer]], rule: Rule | None = None) -> bytes:
    """The answers as CSV in UTF-8, safe from being run as formulas; to be judged by one rule."""
    file = io.StringIO()
    writer = csv.writer(file)
    columns = COLUMNS if rule is None else (*COLUMNS[:-2], RULE_COLUMN, *COLUMNS[-2:])
    writer.writerow(columns)
    demand = () if rule is None else (f"{rule.id}: {rule.source}",)
    for row, answer in pairs:
        texts = (answer_id(answer), row.id, row.question, passages_text(row), answer.text)
        writer.writerow(map(inert_cell, (*texts, *demand, "", "")))
    return (_BOM + file.getvalue()).encode()


def passages_text(row: Row) -> str:
    """The passages as one cell shows them."""
    return "\n\n".join(passage.text for passage in row.contexts)


def read_sheet(path: Path) -> list[SheetLine]:
    """The lines of a sheet, also of one saved with semicolons or tabs between the cells.

    Raises DataError naming the line of an invalid verdict, of a repeated id, or of a malformed row.
    """
    lines: dict[str, SheetLine] = {}
    for entry in read_csv(path):
        line = _sheet_line(f"{path}:{entry.line}", entry)
        if line is None:
            continue
        if (first := lines.get(line.answer)) is not None:
            raise DataError(
                f"{path}:{line.number}: id {line.answer!r} is on line {first.number} already; "
                "keep one of the two"
            )
        lines[line.answer] = line
    return list(lines.values())


def _sheet_line(where: str, entry: Entry) -> SheetLine | None:
    """The line; None for one of empty cells, which spreadsheet programs leave at the end."""
    if entry.value is None:
        raise DataError(f"{where}: {entry.problem}; correct the row")
    cells = entry.value
    for column in ("id", "verdict", "comment"):
        if column not in cells:
            raise DataError(f"{where}: no column {column!r}; keep the header {','.join(COLUMNS)}")
    if not any(cell.strip() for cell in cells.values()):
        return None
    verdict = cells["verdict"].strip().lower()
    if verdict not in _VERDICTS:
        raise DataError(
            f"{where}: unknown verdict {verdict[:40]!r}; write good or bad, or leave it empty"
        )
    try:
        comment = cell_text(cells["comment"].strip(), "comment") or None
    except Malformed as error:
        raise DataError(f"{where}: {error}; save the sheet as CSV in UTF-8") from None
    rule = cell_source(cells.get(RULE_COLUMN, "").strip()).partition(":")[0] or None
    return SheetLine(entry.line, cells["id"].strip(), _VERDICTS[verdict], comment, rule)
