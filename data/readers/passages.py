"""Cell values → passages: lists of texts or of objects, as themselves or written as text."""

from collections.abc import Mapping
from typing import Any

from data.readers.cells import (
    FormulaError,
    Malformed,
    cell_text,
    is_missing,
    is_no_passage,
    shown_keys,
)
from data.readers.nested_text import nested_value
from data.rows import Context

_TEXT_KEYS = ("text", "page_content", "content")  # ours, LangChain's, Haystack's
_URL_KEYS = ("url", "source")  # of the passage, or of its metadata
_LIST_BEGINS = ("['", '["', "[{", "[Document(", "array(")


def cell_contexts(value: object, name: str) -> tuple[Context, ...]:
    """The passages of a cell: a list of texts or of objects, its JSON or Python text, or one text.

    An object holds its text as `text`, `page_content` or `content`. Null, blank text, an empty
    list and "Источников нет" give no passages. Raises Malformed.
    """
    if isinstance(value, str):
        value = _parsed(value, name)
    if isinstance(value, list | tuple):
        parts = [_passage(part, f"{name}[{index}]") for index, part in enumerate(value)]
    else:
        parts = [_passage(value, name)]
    return tuple(part for part in parts if part is not None)


def _parsed(text: str, name: str) -> object:
    """The list or object that a text writes; else the text, such as "[1] A note"."""
    value = nested_value(text)
    if isinstance(value, dict) and not any(key in value for key in _TEXT_KEYS):
        return text  # a passage that is an object of its own
    if value is None and text.lstrip().startswith(_LIST_BEGINS):
        raise Malformed(f"{name}: a list that does not parse as JSON or Python")
    return text if value is None else value


def _passage(value: Any, name: str) -> Context | None:
    url = None
    if isinstance(value, Mapping):
        key = next((key for key in _TEXT_KEYS if key in value), None)
        if key is None:
            keys = ", ".join(_TEXT_KEYS)
            raise Malformed(f"{name}: none of the keys {keys} among {shown_keys(value)}")
        url = cell_text(_url(value), f"{name}.url")
        value = value[key]
    if not (is_missing(value) or isinstance(value, str | bytes | FormulaError)):
        raise Malformed(f"{name}: expected text, found {type(value).__name__}")
    text = cell_text(value, name)
    return None if text is None or is_no_passage(text) else Context(text=text, url=url or None)


def _url(passage: Mapping[str, Any]) -> object:
    metadata = passage.get("metadata") or passage.get("meta")
    places = (passage, metadata) if isinstance(metadata, Mapping) else (passage,)
    values = (place.get(key) for place in places for key in _URL_KEYS)
    return next((value for value in values if isinstance(value, str) and value), None)
