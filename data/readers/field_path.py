"""Dotted paths into the nested fields of a record: `input.question`, `messages.1.content`.

A key that itself contains a dot wins. A number counts the elements of a list, a negative one from
its end. A field that holds JSON or Python text is entered like the value that it stands for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from data.readers.cells import Malformed, shown_keys
from data.readers.nested_text import nested_value

_MAX_DEPTH = 5  # of the text that an error points at
_TEXT_KEYS = ("content", "value", "text", "question")  # of a turn in a logged conversation
_USER = ("user", "human")


def find_value(values: Mapping[str, Any], path: str) -> Any:
    """The value at a path. Raises KeyError when the record has none there."""
    if path in values:
        return values[path]
    value, rest = _step(values, path)
    while rest:
        value, rest = _step(value, rest)
    return value


def _step(value: Any, path: str) -> tuple[Any, str]:
    """The value one key or index deeper, and the rest of the path; the longest key wins."""
    if isinstance(value, str):
        value = nested_value(value)
    if isinstance(value, list | tuple):
        head, _, rest = path.partition(".")
        if head.removeprefix("-").isdecimal() and -len(value) <= int(head) < len(value):
            return value[int(head)], rest
    if isinstance(value, Mapping):
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            key = ".".join(parts[:length])
            if key in value:
                return value[key], ".".join(parts[length:])
    raise KeyError(path)


def check_is_text(value: Any, name: str) -> None:
    """Raises Malformed, with a path to a text in it, for a list or an object, also as text."""
    nested = nested_value(value) if isinstance(value, str) else value
    if not isinstance(nested, list | dict):
        return
    kind = "a list" if isinstance(nested, list) else "an object"
    example = nested if isinstance(nested, dict) else next(iter(nested), None)
    if isinstance(example, dict) and example:
        kind += f" with the keys {shown_keys(example)}"
    path = next(_text_paths(nested), None)
    way_out = "map a column of text" if path is None else f"name the text in it: {name}.{path}"
    raise Malformed(f"{name}: expected text, found {kind}; {way_out}")


def _text_paths(value: Any, depth: int = 0) -> Iterator[str]:
    """Paths to the texts of a value, a user's turn first."""
    for index, turn in enumerate(value if isinstance(value, list) else ()):
        if isinstance(turn, dict) and (turn.get("role") or turn.get("from")) in _USER:
            yield from (f"{index}.{key}" for key in _TEXT_KEYS if isinstance(turn.get(key), str))
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, element in items:
        if isinstance(element, str):
            yield str(key)
        elif isinstance(element, list | dict) and depth < _MAX_DEPTH:
            yield from (f"{key}.{rest}" for rest in _text_paths(element, depth + 1))
