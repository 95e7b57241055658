"""Quarantined records on disk while logs are read: there may be as many of them as rows."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from data.atomic_write import write_error
from data.readers.quarantine import Quarantined


class StoredQuarantine:
    """Records in a temporary file without a name, which is gone when this process ends."""

    def __init__(self, folder: Path) -> None:
        """folder: where the file takes its space; it exists."""
        self._folder = folder
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 — closed by __exit__

    def add(self, record: Quarantined) -> None:
        """Stores a record. Raises DataError when the disk is full."""
        line = record.model_dump_json().encode() + b"\n"
        try:
            self._file.write(line)
        except OSError as error:
            raise write_error(self._folder, len(line), error) from error

    def read(self) -> Iterator[Quarantined]:
        """All records, read one by one; nothing is added afterwards."""
        try:
            self._file.seek(0)
        except OSError as error:  # writes what is left in the buffer
            raise write_error(self._folder, 0, error) from error
        for line in self._file:
            yield Quarantined.model_validate_json(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # of a full disk, which was raised before; nobody reads the file
            self._file.close()
