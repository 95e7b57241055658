"""Cell values → checked text and passages.

Knows what no valid row can hold (NUL, half a character, megabytes in one field) and which types
count as text; leaves to the readers which column means what.
"""

import json
import math
from datetime import date, time
from decimal import Decimal
from uuid import UUID

from data.rows import Context

MAX_FIELD = 4_000_000  # characters; a 200,000-token passage is still a row, a memory dump is not
NO_SOURCES = "источников нет"

_SCALARS = (int, float, Decimal, date, time, UUID)
_EXACT_FLOAT = 2**53


class Malformed(ValueError):
    """The row cannot be a valid one; the message is the reason, without the row's text."""


def text_of(value: object, name: str) -> str | None:
    """The text of one cell; None when it holds nothing (null, or the NaN that pandas writes).

    A whole float is written as the integer it was before a null made its column float.
    Raises Malformed, naming the field, for anything that has no plain text.
    """
    if isinstance(value, str):
        return _checked(value, name)
    if isinstance(value, bytes):
        return _checked(_decoded(value, name), name)
    if _missing(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, _SCALARS):
        return _number_text(value, name)
    raise Malformed(f"{name}: expected text, found {type(value).__name__}")


def required_text(value: object, name: str) -> str:
    """The text of a cell that must say something. Raises Malformed when it does not."""
    if isinstance(value, bool):  # a number can be a question or an id, a yes or no cannot
        raise Malformed(f"{name}: expected text, found bool")
    text = text_of(value, name)
    if text is None:
        raise Malformed(f"{name}: nothing there")
    if not any(letter.isprintable() and not letter.isspace() for letter in text):
        raise Malformed(f"{name}: blank")
    return text


def joined_text(value: object, name: str) -> str | None:
    """As `text_of`, with a list of texts written as one, comma between; None when empty."""
    if isinstance(value, list | tuple):
        parts = (text_of(part, name) for part in value)
        return ", ".join(part for part in parts if part) or None
    text = text_of(value, name)
    return text if text and text.strip() else None


def labels_of(value: object, name: str) -> tuple[str, ...] | None:
    """The labels of a cell, split at commas; None when nobody labelled."""
    text = joined_text(value, name)
    if text is None:
        return None
    return tuple(part.strip() for part in text.split(",") if part.strip()) or None


def contexts_of(value: object, name: str) -> tuple[Context, ...]:
    """Passages of a cell: a list of texts or of {"text", "url"}, such a list as JSON, or one text.

    Null, blank, an empty list and "Источников нет" are no passages. Raises Malformed.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _listed(value, name)
    if isinstance(value, list | tuple):
        parts = [_passage(part, f"{name}[{place}]") for place, part in enumerate(value)]
    elif isinstance(value, dict):
        raise Malformed(f"{name}: expected a list of passages, found one object")
    else:
        parts = [_passage(value, name)]
    return tuple(part for part in parts if part is not None)


def says_nothing(text: str) -> bool:
    """Whether a text in place of passages says that there are none."""
    return text.strip().rstrip(".").casefold() in ("", NO_SOURCES)


def _listed(text: str, name: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        if text.lstrip()[1:].lstrip()[:1] in ('"', "{"):
            raise Malformed(f"{name}: a JSON list that does not parse") from None
        return text  # a passage that begins with a bracket: "[1] …"
    return value


def _passage(value: object, name: str) -> Context | None:
    url = None
    if isinstance(value, dict):
        if "text" not in value:
            raise Malformed(f"{name}: a passage without text")
        url = text_of(value.get("url"), f"{name}.url")
        value = value["text"]
    if not (_missing(value) or isinstance(value, str | bytes)):
        raise Malformed(f"{name}: expected text, found {type(value).__name__}")
    text = text_of(value, name)
    return None if text is None or says_nothing(text) else Context(text=text, url=url or None)


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _checked(text: str, name: str) -> str:
    if len(text) > MAX_FIELD:
        raise Malformed(f"{name}: {len(text)} characters, more than {MAX_FIELD}")
    if "\0" in text:
        raise Malformed(f"{name}: holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed(
            f"{name}: holds half a character (a lone surrogate or a bad byte)"
        ) from None
    return text


def _decoded(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{name}: bytes that are not UTF-8") from None


def _number_text(value: object, name: str) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isinf(value):
        raise Malformed(f"{name}: an infinite number")
    whole = value.is_integer() and abs(value) < _EXACT_FLOAT
    return str(int(value)) if whole else str(value)
