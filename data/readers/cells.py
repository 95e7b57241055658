"""Cell values → validated text, labels and passages.

Rejects what no valid row contains (NUL, lone surrogates, megabytes in one field) and types that
are not text. The readers decide which column means what.
"""

import json
import math
from datetime import date, time
from decimal import Decimal
from uuid import UUID

from data.readers.text_file import SAVE_AS_UTF8
from data.rows import Context

MAX_FIELD = 4_000_000  # characters: accepts a 200,000-token passage, rejects a memory dump
_NO_SOURCES = "источников нет"

_SCALARS = (int, float, Decimal, date, time, UUID)
_EXACT_FLOAT = 2**53


class Malformed(ValueError):
    """The record is not a valid row. The message gives the reason, without the record's text."""


def cell_text(value: object, name: str) -> str | None:
    """The text of one cell; None when it is null, or the NaN that pandas writes.

    An integral float becomes an integer: pandas turns integer columns with a null into floats.
    Raises Malformed, naming the field, for any type that is not text.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        return _checked(value, name)
    if _missing(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, _SCALARS):
        return _number_text(value, name)
    raise Malformed(f"{name}: expected text, found {type(value).__name__}")


def required_text(value: object, name: str) -> str:
    """The text of a required cell. Raises Malformed when it is missing or blank."""
    if isinstance(value, bool):  # a number can be a question or an id, a boolean cannot
        raise Malformed(f"{name}: expected text, found bool")
    text = cell_text(value, name)
    if text is None:
        raise Malformed(f"{name}: missing")
    if not any(letter.isprintable() and not letter.isspace() for letter in text):
        raise Malformed(f"{name}: blank")
    return text


def joined_text(value: object, name: str) -> str | None:
    """As `cell_text`, with a list of texts joined by commas; None when blank."""
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


def cell_contexts(value: object, name: str) -> tuple[Context, ...]:
    """The passages of a cell: a list of texts or of {"text", "url"}, its JSON, or one text.

    Null, blank text, an empty list and "Источников нет" give no passages. Raises Malformed.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _parse_list(value, name)
    if isinstance(value, list | tuple):
        parts = [_passage(part, f"{name}[{index}]") for index, part in enumerate(value)]
    elif isinstance(value, dict):
        raise Malformed(f"{name}: expected a list of passages, found one object")
    else:
        parts = [_passage(value, name)]
    return tuple(part for part in parts if part is not None)


def is_no_passage(text: str) -> bool:
    """Whether a text is blank or states that there are no passages."""
    return text.strip().rstrip(".").casefold() in ("", _NO_SOURCES)


def _parse_list(text: str, name: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        if text.lstrip()[1:].lstrip()[:1] in ('"', "{"):
            raise Malformed(f"{name}: a JSON list that does not parse") from None
        return text  # a passage that starts with a bracket: "[1] …"
    return value


def _passage(value: object, name: str) -> Context | None:
    url = None
    if isinstance(value, dict):
        if "text" not in value:
            raise Malformed(f"{name}: a passage without text")
        url = cell_text(value.get("url"), f"{name}.url")
        value = value["text"]
    if not (_missing(value) or isinstance(value, str | bytes)):
        raise Malformed(f"{name}: expected text, found {type(value).__name__}")
    text = cell_text(value, name)
    return None if text is None or is_no_passage(text) else Context(text=text, url=url or None)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _checked(text: str, name: str) -> str:
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
