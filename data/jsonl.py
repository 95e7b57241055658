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
from data.atomic_write import replace_file, write_error
from data.file_lock import lock_file
from data.records import Record
from data.stored_file import is_stored, naming_file

_R = TypeVar("_R", bound=Record)
_T = TypeVar("_T")
_REMOVE_FILE = "remove the file to create it again"
_REMOVE_LINE = "remove the line, or the file, to create it again"


def read_records(path: Path, kind: type[_R]) -> Iterator[_R]:
    """The records of a JSONL file that was written at once.

    Raises DataError naming the line that is not a valid `kind`.
    """
    with naming_file(path), path.open("rb") as file:
        yield from (record for _, record in _parse_lines(path, file, kind))


def read_appended(path: Path, kind: type[_R]) -> Iterator[_R]:
    """The records of a JSONL file that is appended to, without an unfinished last line.

    Nothing where there is no file. Raises as `read_records` does.
    """
    if is_stored(path):
        yield from (record for _, record in _parse_lines(path, whole_lines(path), kind))


def whole_lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a JSONL file, each with its newline, which the last one may lack."""
    with naming_file(path), path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line
            elif _is_json(line):
                yield line + b"\n"


def _parse_lines(path: Path, lines: Iterable[bytes], kind: type[_R]) -> Iterator[tuple[int, _R]]:
    """The byte offset of each line, and its record."""
    offset = 0
    for number, line in enumerate(lines, 1):
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
        with naming_file(path):
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
    replace_file(path, (record.model_dump_json().encode() + b"\n" for record in records))


class JsonlFile(Generic[_R]):
    """An append-only JSONL file. Records are read from disk by byte offset, never held in memory.

    Opening locks the file (DataError names the holder). A last line without its newline is
    completed or cut off before the first append, or else when the file is closed.
    """

    def __init__(self, path: Path, kind: type[_R]) -> None:
        self.path = path
        self._kind = kind
        self._lock = lock_file(path)
        try:
            self._open()
        except BaseException:
            self._lock.close()
            raise

    def _open(self) -> None:
        self._file = Appender(self.path)
        self._end: int | None = None  # None: the last line is not mended yet
        try:
            self._reader = self.path.open("rb")
        except OSError:
            self._file.discard()
            raise

    def records_with_offsets(self) -> Iterator[tuple[int, _R]]:
        """The byte offset of each line, and its record. Raises DataError naming an invalid line."""
        return _parse_lines(self.path, whole_lines(self.path), self._kind)

    def read(self, offset: int) -> _R:
        """The record whose line begins at this byte. Raises DataError when it is not valid."""
        return _parse_line(self._line(offset), self._kind, f"{self.path}, byte {offset}")

    def append(self, record: _R) -> int:
        """Writes one record; returns the byte offset of its line.

        Raises DataError when the disk is full; the next writer cuts off the unfinished line.
        """
        line, offset = record.model_dump_json().encode() + b"\n", self._mended_end()
        self._file.write(line)
        self._end = offset + len(line)
        return offset

    def _mended_end(self) -> int:
        """Completes or cuts the last line; the file's size in bytes behind it."""
        if self._end is None:
            _mend_last_line(self.path)
            self._end = self.path.stat().st_size
        return self._end

    def rearrange(self, offsets: Iterable[int]) -> None:
        """Atomically reduces the file to the lines at these byte offsets, in this order.

        Needs disk space for a second file meanwhile.
        """
        self._mended_end()
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
            self._mended_end()
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
        self._file.discard()  # no sync: an error from it would hide the one in progress
        self._reader.close()
        self._lock.close()


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
