"""A file that one process extends at its end, with fsync at intervals."""

import os
import time
from contextlib import suppress
from pathlib import Path

from data.atomic_write import write_error
from data.stored_file import is_stored, make_folder, naming_file

_SYNC_EVERY = 32  # writes between two fsync calls, at least
_SYNC_SECONDS = 0.1  # between them, at least: fsync takes milliseconds and stops the event loop


class Appender:
    """An open file. Each write is flushed; a power cut can lose the writes since the last fsync."""

    def __init__(self, path: Path) -> None:
        """Raises DataError for a broken link, and OSError as `open` does."""
        self._path = path
        is_stored(path)
        make_folder(path.parent)
        with naming_file(path):
            self._file = path.open("ab")
        self._unsynced = 0
        self._synced_at = 0.0  # time.monotonic()

    def write(self, data: bytes) -> None:
        """Raises DataError when the disk is full; the file may then end in a part of `data`."""
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise write_error(self._path, len(data), error) from error
        self._unsynced += 1
        is_due = time.monotonic() - self._synced_at >= _SYNC_SECONDS
        if self._unsynced >= _SYNC_EVERY and is_due:
            self._sync()

    def _sync(self) -> None:
        self._unsynced = 0
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise write_error(self._path, 0, error) from error
        self._synced_at = time.monotonic()

    def discard(self) -> None:
        """Closes without a sync and without an error."""
        with suppress(OSError):
            self._file.close()

    def close(self) -> None:
        """Syncs and closes. Raises DataError when the disk is full."""
        self._sync()
        try:
            self._file.close()
        except OSError as error:
            raise write_error(self._path, 0, error) from error
