"""JSONL files of records: reading, replacing, and appending with recovery after a crash.

An appended file survives kill −9 at any byte: readers skip a last line without its newline, and
the next writer cuts it off. One process writes a file; a second one is refused.
"""

from collections.abc import Iterable, Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Generic, Self, TypeVar

from pydantic import ValidationError

from config.errors import DataError
from data.appender import Appender
from data.atomic_write import replace_file
from data.file_lock import lock_file
from data.records import Record

_R = TypeVar("_R", bound=Record)


def read_records(path: Path, kind: type[_R]) -> Iterator[_R]:
    """The records of a JSONL file in order, without an unfinished last line.

    Raises DataError naming the line that is not a valid `kind`.
    """
    return (record for _, record in _records_with_offsets(path, kind))


def _records_with_offsets(path: Path, kind: type[_R]) -> Iterator[tuple[int, _R]]:
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield offset, kind.model_validate_json(line)
            except ValidationError as error:
                raise _invalid(f"{path}:{number}", error) from None
            offset += len(line)


def read_record(path: Path, kind: type[_R]) -> _R:
    """The record that a JSON file holds. Raises DataError when it is not a valid `kind`."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise _invalid(str(path), error) from None


def _invalid(location: str, error: ValidationError) -> DataError:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    return DataError(
        f"{location}: {field or 'line'}: {first['msg']}; remove the file to create it again"
    )


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Replaces a JSONL file atomically."""
    replace_file(path, (record.model_dump_json().encode() + b"\n" for record in records))


class JsonlFile(Generic[_R]):
    """An append-only JSONL file. Records are read from disk by byte offset, never held in memory.

    Opening locks the file (DataError names the holder) and cuts off an unfinished last line.
    """

    def __init__(self, path: Path, kind: type[_R]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._kind = kind
        self._lock = lock_file(path)
        self._open()

    def _open(self) -> None:
        self._file = Appender(self.path)
        cut_unfinished_line(self.path)
        self._end = self.path.stat().st_size
        self._reader = self.path.open("rb")

    def records_with_offsets(self) -> Iterator[tuple[int, _R]]:
        """The byte offset of each line, and its record. Raises DataError naming an invalid line."""
        return _records_with_offsets(self.path, self._kind)

    def read(self, offset: int) -> _R:
        """The record whose line begins at this byte."""
        return self._kind.model_validate_json(self._line(offset))

    def append(self, record: _R) -> int:
        """Writes one record; returns the byte offset of its line.

        Raises DataError when the disk is full; the next writer cuts off the unfinished line.
        """
        line, offset = record.model_dump_json().encode() + b"\n", self._end
        self._file.write(line)
        self._end += len(line)
        return offset

    def rearrange(self, offsets: Iterable[int]) -> None:
        """Atomically reduces the file to the lines at these byte offsets, in this order.

        Needs disk space for a second file meanwhile.
        """
        replace_file(self.path, map(self._line, offsets))
        self._file.close()  # both handles still point to the replaced file
        self._reader.close()
        self._open()

    def _line(self, offset: int) -> bytes:
        self._reader.seek(offset)
        return self._reader.readline()

    def close(self) -> None:
        """Syncs, closes and releases the lock."""
        try:
            self._file.close()
        finally:
            self._reader.close()
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            self.close()
            return
        self._reader.close()
        self._lock.close()  # no sync: an error from it would hide the one in progress


def cut_unfinished_line(path: Path) -> None:
    """Truncates a file after its last newline."""
    with path.open("rb+") as file:
        size = path.stat().st_size
        if not size:  # an empty file cannot be mapped
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            end = data.rfind(b"\n") + 1
        if end < size:
            file.truncate(end)
