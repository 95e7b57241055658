"""Readers of JSON: one object a line, or one list of objects."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from config.errors import DataError
from data.readers.cells import Malformed, shown_keys
from data.readers.entry import Entry, RepeatedKey, unique_keys
from data.readers.text_file import SAVE_AS_UTF8, read_lines, read_text

_PART = 1_000_000  # characters of a list that are read at a time
_Line = tuple[int, str]  # number, from 1, and text


def read_json(path: Path) -> Iterator[Entry]:
    """One record per line that is not blank, or per element if the file is one list.

    Raises DataError when the file is one object, which may hold the list of records.
    """
    start = next(read_lines(path, "\n", _PART), "")
    if start.lstrip().startswith("[") and not start.endswith("\n") and len(start) == _PART:
        yield from read_json_list(path)  # in one line, which need not be in memory
        return
    numbered = enumerate(read_lines(path, "\n"), 1)
    lines = ((number, line) for number, line in numbered if line.strip())
    head = list(islice(lines, 2))
    if _is_one_list(head):
        yield from read_json_list(path)
        return
    if _is_one_object(path, head):
        raise _one_object(path)
    yield from _read_json_lines(chain(head, lines))


def read_one_object(path: Path) -> dict[str, Any] | None:
    """The value of a file that is one JSON object, all in memory; None for other files.

    A file of one line is one object if it is named .json, else a record.
    """
    start = next((line for line in read_lines(path, "\n", _PART) if line.strip()), "")
    if not start.lstrip().startswith("{"):  # a list, which may be one line of any length
        return None
    numbered = enumerate(read_lines(path, "\n"), 1)
    head = list(islice(((number, line) for number, line in numbered if line.strip()), 2))
    if not _is_one_object(path, head):
        return None
    try:
        value = json.loads(read_text(path), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        raise _one_object(path) from None
    return value if isinstance(value, dict) else None


def _is_one_list(head: Sequence[_Line]) -> bool:
    """Whether a list begins in the first line and is neither followed nor continued by a record."""
    values = [_value(line) for _, line in head]
    if not head or not head[0][1].lstrip().startswith("["):
        return False
    is_lists = len(values) == 2 and all(isinstance(value, list) for value in values)
    return not is_lists and not any(isinstance(value, dict) for value in values)


def _is_one_object(path: Path, head: Sequence[_Line]) -> bool:
    """Whether an object begins in the first line and fills the file."""
    if not head or not head[0][1].lstrip().startswith("{"):
        return False
    first = _value(head[0][1])
    is_json = ".json" in (suffix.lower() for suffix in path.suffixes)
    if first is not None:
        is_nested = isinstance(first, dict) and any(map(_is_nested, first.values()))
        return is_json and len(head) == 1 and is_nested
    is_continued = len(head) == 2 and not isinstance(_value(head[1][1]), dict)
    return is_continued and (is_json or head[0][1].strip() == "{")


def _one_object(path: Path) -> DataError:
    try:
        value = json.loads(read_text(path).removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return DataError(f"{path}: not JSON: {error}; is it the right file?")
    lists = _lists(value)
    records = f"its records are the list {lists[0]!r}? save" if lists else "save"
    return DataError(
        f"{path}: is one JSON object with the keys {shown_keys(value)}; {records} a list of "
        "records, or one record a line, as a file of its own (pandas: orient='records'), or name "
        "it .jsonl if it is one record"
    )


def _is_nested(value: object) -> bool:
    return isinstance(value, list | dict)


def _lists(value: Any) -> list[str]:
    """The keys of an object whose values are lists of objects."""
    items = value.items() if isinstance(value, dict) else ()
    return [k for k, v in items if isinstance(v, list) and v and isinstance(v[0], dict)]


def _value(line: str) -> Any:
    """The value of a line, None when it is not JSON."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _read_json_lines(lines: Iterable[_Line]) -> Iterator[Entry]:
    for number, (line_number, line) in enumerate(lines, 1):
        try:
            yield Entry(number, line_number, line, _parse_object(line), None)
        except Malformed as error:
            yield Entry(number, line_number, line, None, str(error))


def _parse_object(line: str) -> dict[str, Any]:
    try:
        line.encode()
        value = json.loads(line, object_pairs_hook=unique_keys)
    except UnicodeEncodeError as error:
        start = len(line[: error.start].encode())
        raise Malformed(f"not UTF-8 at byte {start}; {SAVE_AS_UTF8}") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON at character {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 brackets
        raise Malformed(f"JSON that cannot be parsed: {type(error).__name__}") from None
    if isinstance(value, RepeatedKey):
        raise Malformed(f"key {value.key[:40]!r} is given twice")
    if not isinstance(value, dict):
        raise Malformed(f"expected an object, found {type(value).__name__}")
    return value


def read_json_list(path: Path) -> Iterator[Entry]:
    """The objects of the file's list, with the line on which each one begins.

    Raises DataError when the file is missing or is not a list as JSON in UTF-8 or UTF-16.
    """
    text = _ListText(path)
    try:
        for number, (line, raw, value) in enumerate(text.elements(), 1):
            if isinstance(value, dict):
                yield Entry(number, line, raw, value, None)
            elif isinstance(value, RepeatedKey):
                yield Entry(number, line, raw, None, f"key {value.key[:40]!r} is given twice")
            else:
                yield Entry(number, line, raw, None, "not an object")
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not a list of objects as JSON: {error}; is it the right file?"
        ) from None


class _ListText:
    """The text of a file with one JSON list, of which a part is in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = read_lines(path, "\n", _PART)
        self._text = ""  # the part in memory
        self._position = 0  # in it
        self._line = 1  # of the position
        self._before = 0  # characters of the file before the part

    def elements(self) -> Iterator[tuple[int, str, object]]:
        """Line, text and value of each element. Raises ValueError on other text, DataError."""
        decoder = json.JSONDecoder(object_pairs_hook=unique_keys)
        if self._next_character() != "[":
            raise ValueError("it does not begin with [")
        self._advance(self._position + 1)
        if self._next_character() == "]":
            raise ValueError("the list is empty")
        mark = ","
        while mark == ",":
            self._next_character()
            line = self._line
            raw, value = self._decode(decoder)
            yield line, raw, value
            mark = self._next_character()
            if mark not in (",", "]"):
                raise ValueError(f"expected a comma or the list's end at {self._place()}")
            self._advance(self._position + 1)
        if self._next_character():
            raise ValueError(f"more text after the list, at {self._place()}")

    def _decode(self, decoder: json.JSONDecoder) -> tuple[str, object]:
        """Text and value of the element here. An element that is cut off is read on."""
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._position)
            except json.JSONDecodeError as error:
                if not self._read_on():
                    raise ValueError(f"{error.msg} at {self._place(error.pos)}") from None
                continue
            # a number may go on behind the part's end
            if end == len(self._text) and self._read_on():
                continue
            raw = self._text[self._position : end]
            self._advance(end)
            return raw, value

    def _place(self, position: int | None = None) -> str:
        at = self._position if position is None else position
        return f"character {self._before + at}"

    def _next_character(self) -> str:
        """The character at the position, behind white space; "" at the end of the file."""
        while True:
            end = _skip_space(self._text, self._position)
            self._advance(end)
            if end < len(self._text) or not self._read_on():
                return self._text[end : end + 1]

    def _advance(self, position: int) -> None:
        self._line += self._text.count("\n", self._position, position)
        self._position = position

    def _read_on(self) -> bool:
        """Drops what is behind the position and reads at least as much as is left, if there is."""
        rest = self._text[self._position :]
        parts, length = [rest], 0
        while length < max(_PART, len(rest)) and (line := next(self._lines, "")):
            parts.append(line)
            length += len(line)
        self._before += self._position
        self._text, self._position = "".join(parts), 0
        try:
            self._text.encode()
        except UnicodeEncodeError as error:
            line_number = self._line + self._text.count("\n", 0, error.start)
            raise DataError(f"{self._path}:{line_number}: not UTF-8; {SAVE_AS_UTF8}") from None
        return length > 0


def _skip_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position
