"""Replaces whole files atomically: a reader sees the old bytes or the new ones, never a part.

Each write has a temporary file of its own, so that of several writers the last one wins.
"""

import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from glob import escape
from pathlib import Path

from config.errors import DataError, first_line, system_way_out
from data.stored_file import is_stored, make_folder

_ABANDONED_S = 3600  # without a write for so long: the writer of a temporary file was killed


def write_bytes(path: Path, *parts: bytes) -> None:
    """Replaces a file. Raises DataError with path and size when the disk is full."""
    replace_file(path, parts)


def write_text(path: Path, text: str) -> None:
    """Replaces a file by a text in UTF-8. Raises DataError when the disk is full."""
    write_bytes(path, text.encode())


def replace_file(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Replaces a file by parts that are generated one by one.

    Raises DataError when the disk is full, or when `path` is a broken link.
    """
    is_stored(path)
    make_folder(path.parent)
    _remove_abandoned(path)
    size, remaining = 0, iter(parts)
    temporary = path.with_name(f".{_prefix(path)}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            for part in remaining:
                size += len(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            size += sum(map(len, remaining))
            raise write_error(path, size, error) from error
        raise


def _remove_abandoned(path: Path) -> None:
    for temporary in path.parent.glob(f".{escape(_prefix(path))}.*.tmp"):
        with suppress(OSError):  # another writer removed it
            if time.time() - temporary.stat().st_mtime > _ABANDONED_S:
                temporary.unlink()


def _prefix(path: Path) -> str:
    """50 characters, at most 200 bytes: with the random part a valid name wherever `path` is."""
    return path.name[:50]


def write_error(path: Path, size: int, error: Exception) -> DataError:
    """The error to raise when a file of `size` bytes cannot be written."""
    system = error.strerror if isinstance(error, OSError) else None
    reason = system or first_line(error)
    way_out = system_way_out(error) or "free some space and run again"
    return DataError(
        f"{path}: cannot write {size} bytes: {reason}; {way_out}; finished records are kept"
    )
