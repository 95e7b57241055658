"""Replaces whole files atomically: a reader sees the old bytes or the new ones, never a part."""

import os
from collections.abc import Iterable
from pathlib import Path

from config.errors import DataError, system_way_out


def write_bytes(path: Path, *parts: bytes) -> None:
    """Replaces a file. Raises DataError with path and size when the disk is full."""
    replace_file(path, parts, sum(map(len, parts)))


def write_text(path: Path, text: str) -> None:
    """Replaces a file by a text in UTF-8. Raises DataError when the disk is full."""
    write_bytes(path, text.encode())


def replace_file(path: Path, parts: Iterable[bytes], size: int) -> None:
    """Replaces a file by parts that are generated one by one; `size` of all, for the error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise write_error(path, size, error) from error
        raise


def write_error(path: Path, size: int, error: Exception) -> DataError:
    """The error to raise when a file of `size` bytes cannot be written."""
    system = error.strerror if isinstance(error, OSError) else None
    reason = system or (str(error).splitlines() or [type(error).__name__])[0]
    way_out = system_way_out(error) or "free some space and run again"
    return DataError(
        f"{path}: cannot write {size} bytes: {reason}; {way_out}; finished records are kept"
    )
