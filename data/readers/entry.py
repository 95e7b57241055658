"""A record of a log file as read, before it becomes a row."""

from pathlib import Path
from typing import IO, Any, NamedTuple

from config.errors import DataError


class Entry(NamedTuple):
    """One record as read: its values, or the reason why they cannot be read."""

    number: int  # of the record, from 1
    line: int  # on which it begins, from 1; in Parquet the number
    raw: str  # original text, invalid bytes as surrogates; "" in Parquet
    value: dict[str, Any] | None
    problem: str | None


class RepeatedKey(NamedTuple):
    """Replaces a JSON object that contains a key twice."""

    key: str


def open_file(path: Path) -> IO[bytes]:
    """The open file. Raises DataError when it is missing or unreadable."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; paths are relative to the folder you are in"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; give a readable file") from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any] | RepeatedKey:
    """A JSON object as a dict, or the repeated key (json's object_pairs_hook)."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            return RepeatedKey(key)
        if isinstance(value, RepeatedKey):
            return value
        values[key] = value
    return values
