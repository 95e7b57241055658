"""Cell values → validated text and labels.

Rejects what no valid row contains (NUL, lone surrogates, megabytes in one field) and types that
are not text. The readers decide which column means what.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from types import NoneType
from uuid import UUID

from data.readers.nested_text import nested_value
from data.readers.text_file import SAVE_AS_UTF8
from data.visible_text import has_visible_text

MAX_FIELD = 4_000_000  # characters: accepts a 200,000-token passage, rejects a memory dump
_NO_SOURCES = "источников нет"
# What programs write for a missing value. Only as a whole cell, and only in this case of letters:
# a person may be called Null, and NA is a tag of its own.
MISSING_WORDS = frozenset(("nan", "NaN", "NaT", "None", "NULL", "null", "<NA>", "N/A", "#N/A"))
_MISSING_LENGTH = 16  # characters, with spaces around the word

_SCALARS = (int, float, Decimal, date, time, timedelta, UUID)
_SCALARS_OR_NONE = (str, NoneType, *_SCALARS)
_EXACT_FLOAT = 2**53


class Malformed(ValueError):
    """The record is not a valid row. The message gives the reason, without the record's text."""


@dataclass(frozen=True)
class FormulaError:
    """Stands in a workbook's cell whose formula has no value."""

    reason: str


def cell_text(value: object, name: str) -> str | None:
    """The text of one cell; None when it is null, or a word that means a missing value.

    An integral float becomes an integer: pandas turns integer columns with a null into floats.
    Raises Malformed, naming the field, for any type that is not text.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if is_missing(value):
        return None
    if isinstance(value, str):
        return checked_text(value, name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, _SCALARS):
        return _number_text(value, name)
    if isinstance(value, FormulaError):
        raise Malformed(f"{name}: {value.reason}; correct it in Excel and save the workbook")
    raise Malformed(f"{name}: expected text, found {type(value).__name__}")


def required_text(value: object, name: str) -> str:
    """The text of a required cell. Raises Malformed when it is missing or blank."""
    if isinstance(value, bool):  # a number can be a question or an id, a boolean cannot
        raise Malformed(f"{name}: expected text, found bool")
    text = cell_text(value, name)
    if text is None:
        raise Malformed(f"{name}: missing")
    if not has_visible_text(text):
        raise Malformed(f"{name}: blank")
    return text


def joined_text(value: object, name: str) -> str | None:
    """As `cell_text`, with a list of texts joined by commas, also one as text; None when blank."""
    nested = nested_value(value) if isinstance(value, str) else None
    if isinstance(nested, list) and all(isinstance(part, _SCALARS_OR_NONE) for part in nested):
        value = nested
    if isinstance(value, list | tuple):
        parts = (cell_text(part, name) for part in value)
        return ", ".join(part for part in parts if part) or None
    text = cell_text(value, name)
    return text if text and text.strip() else None


def cell_labels(value: object, name: str) -> tuple[str, ...] | None:
    """The labels of a cell, split at commas; None when it is unlabelled."""
    text = joined_text(value, name)
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip()) or None


def is_no_passage(text: str) -> bool:
    """Whether a text is blank or states that there are no passages."""
    return not has_visible_text(text) or text.strip().rstrip(".").casefold() == _NO_SOURCES


def is_missing(value: object) -> bool:
    """Whether a value is null, NaN, or a word that means either."""
    if isinstance(value, str):
        return len(value) < _MISSING_LENGTH and value.strip() in MISSING_WORDS
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown_keys(value: Mapping[str, object]) -> str:
    """The keys of an object for an error: one line, shortened."""
    return " ".join(", ".join(map(str, value)).split())[:200]


def checked_text(text: str, name: str) -> str:
    """The text; words such as `null` are text here. Raises Malformed for what no row contains."""
    if len(text) > MAX_FIELD:
        raise Malformed(f"{name}: {len(text)} characters, more than {MAX_FIELD}")
    if "\0" in text:
        raise Malformed(f"{name}: contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        if "\udc80" <= (escaped := text[error.start]) <= "\udcff":  # a byte, as the readers keep it
            byte = ord(escaped) - 0xDC00
            raise Malformed(f"{name}: not UTF-8 (byte 0x{byte:02x}); {SAVE_AS_UTF8}") from None
        raise Malformed(f"{name}: contains a lone surrogate") from None
    return text


def _number_text(value: object, name: str) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isinf(value):
        raise Malformed(f"{name}: an infinite number")
    exact = value.is_integer() and abs(value) < _EXACT_FLOAT
    return str(int(value)) if exact else str(value)
