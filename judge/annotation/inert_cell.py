"""Cells of a CSV file that no spreadsheet program runs as a formula, and back.

A program that opens the file with another delimiter, or without quotes, begins a cell behind each
delimiter, line break and quotation mark of a text. There, too, an apostrophe stands before whatever
begins a formula (OWASP, "CSV injection"), full-width signs of East Asian keyboards included.
"""

import re

_BORDERS = ';,|"\\t\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029'
_BLANKS = "[ \\u00a0\\u1680\\u2000-\\u200f\\u202f\\u205f\\u2060\\u3000\\ufeff\\u00ad]"
_SIGNS = "[=+@＝＋－＠\\u2212\\ufe62\\ufe63\\ufe66\\ufe6b-]"
_FORMULA = rf"(?={_BLANKS}*+(?:'++{_BLANKS}*+)?{_SIGNS})"  # possessive: linear
_BORDER = rf"(?:\A|(?<=[{_BORDERS}]))"
# Excel runs what stands behind a tab or carriage return at the beginning of a cell.
_BEGINNING = rf"{_BORDER}{_FORMULA}|\A(?='*[\t\r])"
_UNSAFE = re.compile(_BEGINNING)
_ESCAPED = re.compile(rf"{_BORDER}'{_FORMULA}|\A'(?='*[\t\r])")


def inert_cell(text: str) -> str:
    """The text with an apostrophe wherever a cell could begin with a formula."""
    return _UNSAFE.sub("'", text)


def cell_source(cell: str) -> str:
    """The text of a cell that `inert_cell` wrote."""
    return _ESCAPED.sub("", cell)
