"""Rows on disk while they are sorted into splits; only what tells them apart is in memory."""

import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from data.atomic_write import write_error
from data.clean import view_digest
from data.rows import Row, opening_key, question_key
from data.splits import RowKey


class StoredRows:
    """Rows in a temporary file without a name, which is gone when this process ends."""

    def __init__(self, folder: Path) -> None:
        """folder: where the file takes its space; it is created."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 — closed by __exit__
        self._at_end = True  # of the file, where rows are added
        self._offsets = array("q", [0])  # [rows + 1], bytes
        self.keys: list[RowKey] = []  # [rows]
        self.views: list[bytes] = []  # [rows], digests

    def add(self, row: Row) -> None:
        """Stores a row. Raises DataError when the disk is full."""
        line = row.model_dump_json().encode()
        try:
            if not self._at_end:
                self._file.seek(0, os.SEEK_END)
                self._at_end = True
            self._file.write(line)
        except OSError as error:
            raise write_error(self._folder, len(line), error) from error
        self._offsets.append(self._offsets[-1] + len(line))
        self.keys.append(RowKey(row.id, question_key(row), opening_key(row)))
        self.views.append(view_digest(row))

    def read(self, places: Iterable[int]) -> Iterator[Row]:
        """The rows at these places, read one by one. Raises DataError when the disk is full."""
        try:
            self._file.flush()
        except OSError as error:
            raise write_error(self._folder, self._offsets[-1], error) from error
        for place in places:
            start, end = self._offsets[place : place + 2]
            self._at_end = False
            self._file.seek(start)
            yield Row.model_validate_json(self._file.read(end - start))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # of a full disk, which was raised before; nobody reads the file
            self._file.close()
