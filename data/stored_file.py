"""Whether a stored file is there, and which file an error of the system is about.

A link that leads nowhere is an error, not a missing file: what it stood for may lie on a disk that
is not mounted. It is neither taken as missing nor overwritten.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.errors import DataError


def is_stored(path: Path) -> bool:
    """Whether something is at `path`. Raises DataError for a broken link, OSError as `stat` does.

    `Path.exists` takes links that loop, and names below a file, as missing.
    """
    try:
        path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise DataError(
                f"{path}: is a link to {os.readlink(path)}, which is not there; mend or remove the "
                "link"
            ) from None
        return False
    return True


def make_folder(path: Path) -> None:
    """Makes a folder and those above it. Raises DataError where the system has no place for it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: the folder cannot be made: {error.strerror}; choose one on a disk"
        ) from None


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Adds the path to an OSError of reading or writing; Python adds it only when opening."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
