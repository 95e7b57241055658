"""JSONL files of records: reading, replacing, and appending with recovery after a crash.

An appended file survives kill −9 at any byte. A last line that lacks only its newline is whole:
readers take it, and the next writer completes it. Readers skip any other unfinished last line, and
the next writer cuts it off. One process writes a file; a second one is refused.
"""

from collections.abc import Iterable, Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Generic, Self, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from config.errors import DataError
from data.appender import Appender
from data.atomic_write import replace_file, write_error, write_text
from data.file_lock import lock_file
from data.records import Record
from data.stored_file import is_stored

_R = TypeVar("_R", bound=Record)
_T = TypeVar("_T")
_REMOVE_FILE = "remove the file to create it again"
_REMOVE_LINE = "remove the line, or the file, to create it again"


def read_records(path: Path, kind: type[_R]) -> Iterator[_R]:
    """The records of a JSONL file in order, without an unfinished last line.

    Raises DataError naming the line that is not a valid `kind`.
    """
    return (record for _, record in _records_with_offsets(path, kind))


def read_stored_records(path: Path, kind: type[_R]) -> Iterator[_R]:
    """As `read_records`; nothing where there is no file."""
    if is_stored(path):
        yield from read_records(path, kind)


def whole_lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a JSONL file, each with its newline, which the last one may lack."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line
            elif _is_json(line):
                yield line + b"\n"


def _records_with_offsets(path: Path, kind: type[_R]) -> Iterator[tuple[int, _R]]:
    offset = 0
    for number, line in enumerate(whole_lines(path), 1):
        yield offset, _parse_line(line, kind, f"{path}:{number}")
        offset += len(line)


def _is_json(line: bytes) -> bool:
    """Whether a last line is whole: no part of an object is JSON but all of it."""
    try:
        return isinstance(from_json(line), dict)
    except ValueError:
        return False


def _parse_line(line: bytes, kind: type[_R], location: str) -> _R:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        raise _invalid(location, error, _REMOVE_LINE) from None


def read_record(path: Path, kind: type[_T], way_out: str = _REMOVE_FILE) -> _T:
    """The value that a JSON file holds.

    Raises DataError, ending with `way_out`, when it is not a valid `kind`, and OSError as `open`
    does; `config.cli` shows both in one line.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        raise _invalid(str(path), error, way_out) from None


def read_stored_record(path: Path, kind: type[_T], way_out: str = _REMOVE_FILE) -> _T | None:
    """As `read_record`; None where there is no file."""
    return read_record(path, kind, way_out) if is_stored(path) else None


def _invalid(location: str, error: ValidationError, way_out: str) -> DataError:
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))[:80]
    field = field if field.isprintable() else repr(field)
    return DataError(f"{location}: {field or 'content'}: {first['msg']}; {way_out}")


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Replaces a JSONL file atomically."""
    write_text(path, "".join(record.model_dump_json() + "\n" for record in records))


class JsonlFile(Generic[_R]):
    """An append-only JSONL file. Records are read from disk by byte offset, never held in memory.

    Opening locks the file (DataError names the holder), and completes or cuts off a last line
    without its newline.
    """

    def __init__(self, path: Path, kind: type[_R]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._kind = kind
        self._lock = lock_file(path)
        self._open()

    def _open(self) -> None:
        self._file = Appender(self.path)
        _mend_last_line(self.path)
        self._end = self.path.stat().st_size
        self._reader = self.path.open("rb")

    def records_with_offsets(self) -> Iterator[tuple[int, _R]]:
        """The byte offset of each line, and its record. Raises DataError naming an invalid line."""
        return _records_with_offsets(self.path, self._kind)

    def read(self, offset: int) -> _R:
        """The record whose line begins at this byte. Raises DataError when it is not valid."""
        return _parse_line(self._line(offset), self._kind, f"{self.path}, byte {offset}")

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
        replace_file(self.path, map(self._line, offsets), self._end)
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


def _mend_last_line(path: Path) -> None:
    """Completes a last line that lacks only its newline; cuts off any other unfinished one."""
    with path.open("rb+") as file:
        size = path.stat().st_size
        if not size:  # an empty file cannot be mapped
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            end = data.rfind(b"\n") + 1
            last_line = data[end:]
        if _is_json(last_line):
            file.seek(size)
            try:
                file.write(b"\n")
                file.flush()
            except OSError as error:
                raise write_error(path, 1, error) from error
        elif last_line:
            file.truncate(end)
