"""Crash-safe files: append-only ones, JSONL records in one, and whole files replaced at once.

Survives kill −9 at any byte: a torn last line is cut before the next append, and a power cut can
cost at most `SYNC_EVERY` records, or those of `SYNC_SECONDS` where they come faster, unless the
store's owner does the syncing. One process writes; a second one is refused.
"""

import fcntl
import os
import time
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Generic, Self, TypeVar

from pydantic import ValidationError

from config.errors import DataError
from data.records import Record

SYNC_EVERY = 32  # records between two fsync calls, at least
SYNC_SECONDS = 0.1  # likewise: a sync takes milliseconds, a record microseconds

_R = TypeVar("_R", bound=Record)


def read_records(path: Path, kind: type[_R]) -> Iterator[_R]:
    """The records of a JSONL file in order; a torn last line (no newline) is not one.

    Raises DataError naming the line when one is not a `kind`.
    """
    return (record for _, record in _placed(path, kind))


def _placed(path: Path, kind: type[_R]) -> Iterator[tuple[int, _R]]:
    """The records with the byte at which each one's line begins."""
    start = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield start, kind.model_validate_json(line)
            except ValidationError as error:
                raise _unfit(f"{path}:{number}", error) from None
            start += len(line)


def read_record(path: Path, kind: type[_R]) -> _R:
    """The one record of a JSON file. Raises DataError when it is not a `kind`."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise _unfit(str(path), error) from None


def _unfit(where: str, error: ValidationError) -> DataError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return DataError(
        f"{where}: {place or 'line'}: {first['msg']}; remove the file to make it again"
    )


def write_bytes(path: Path, *parts: bytes) -> None:
    """Replaces a file at once: a reader sees the old bytes or the new ones, never a part.

    Raises DataError with path and size when the disk is full.
    """
    replace_file(path, parts, sum(map(len, parts)))


def replace_file(path: Path, parts: Iterable[bytes], size: int) -> None:
    """As `write_bytes`, of parts that are made one by one; `size`: of all, for the error."""
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
            raise unwritten(path, size, error) from error
        raise


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, of a text in UTF-8."""
    write_bytes(path, text.encode())


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Replaces a JSONL file at once."""
    write_text(path, "".join(record.model_dump_json() + "\n" for record in records))


def unwritten(path: Path, size: int, error: Exception) -> DataError:
    """What to raise where a file of `size` bytes could not be written."""
    system = error.strerror if isinstance(error, OSError) else None
    reason = system or (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(
        f"{path}: cannot write {size} bytes: {reason}; free some space and run again, "
        "what is finished is kept"
    )


def claim(path: Path, wait: bool = False) -> IO[str]:
    """Locks `path` for this process until the returned file is closed, or the process ends.

    Raises DataError with the number of the process that holds it, unless it is to `wait` for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise DataError(f"{path}: process {holder} is writing it; wait for it or end it") from None
    try:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    except OSError as error:
        raise unwritten(path, 0, error) from error
    return lock


class Appender:
    """A file that grows at its end, write by write, by one process."""

    def __init__(self, path: Path, sync_every: int | None = SYNC_EVERY) -> None:
        """`sync_every`, in writes; None: only `sync` and `close` make sure the disk has it all."""
        self._path = path
        self._file = path.open("ab")
        self._sync_every = sync_every
        self._unsynced = 0
        self._synced = 0.0  # when

    def write(self, data: bytes) -> None:
        """Raises DataError when the disk is full; then a part of `data` may stand at the end."""
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise unwritten(self._path, len(data), error) from error
        self._unsynced += 1
        if self._sync_every is None or self._unsynced < self._sync_every:
            return
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Waits until the disk has everything. Raises DataError when it is full."""
        self._unsynced = 0
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritten(self._path, 0, error) from error
        self._synced = time.monotonic()

    def close(self) -> None:
        """Syncs and closes. Raises DataError when the disk is full."""
        self.sync()
        try:
            self._file.close()
        except OSError as error:
            raise unwritten(self._path, 0, error) from error


class Lines(Generic[_R]):
    """An append-only JSONL file that one process writes, read record by record and never held.

    Opening locks the file (DataError names the holder) and cuts a torn last line.
    """

    def __init__(self, path: Path, kind: type[_R], sync_every: int | None = SYNC_EVERY) -> None:
        """`sync_every` = None: only `sync` and `close` make sure that the disk has it all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._kind = kind
        self._lock = claim(path)
        self._sync_every = sync_every
        self._open()

    def _open(self) -> None:
        self._file = Appender(self.path, self._sync_every)
        self.cut_torn_tail(self.path)
        self._end = self.path.stat().st_size
        self._reader = self.path.open("rb")

    @staticmethod
    def cut_torn_tail(path: Path) -> None:
        """Removes the start of a line that was never finished."""
        with path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            position = end
            while position:
                start = max(0, position - 65536)
                file.seek(start)
                newline = file.read(position - start).rfind(b"\n")
                if newline >= 0:
                    position = start + newline + 1
                    break
                position = start
            if position < end:
                file.truncate(position)

    def placed(self) -> Iterator[tuple[int, _R]]:
        """The records with the byte at which each one's line begins.

        Raises DataError naming the line when one is not of this kind.
        """
        return _placed(self.path, self._kind)

    def read(self, start: int) -> _R:
        """The record whose line begins at this byte."""
        return self._kind.model_validate_json(self._line(start))

    def append(self, record: _R) -> int:
        """Writes one record; returns the byte at which its line begins.

        Raises DataError when the disk is full; a torn line is cut later.
        """
        line, start = record.model_dump_json().encode() + b"\n", self._end
        self._file.write(line)
        self._end += len(line)
        return start

    def arrange(self, starts: Iterable[int]) -> "array[int]":
        """Leaves just the lines that begin at these bytes, in this order, at once.

        Returns where they begin now. Needs the disk space of a second file for as long as it takes.
        """
        moved = array("q")

        def lines() -> Iterator[bytes]:
            end = 0
            for start in starts:
                line = self._line(start)
                moved.append(end)
                end += len(line)
                yield line

        replace_file(self.path, lines(), self._end)
        self._file.close()  # the file of that name is another one now
        self._reader.close()
        self._open()
        return moved

    def _line(self, start: int) -> bytes:
        self._reader.seek(start)
        return self._reader.readline()

    def sync(self) -> None:
        """Waits until the disk has every record. Raises DataError when it is full."""
        self._file.sync()

    def close(self) -> None:
        """Syncs, closes and releases the lock."""
        try:
            self._file.close()
        finally:
            self._reader.close()
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        self._reader.close()
        self._lock.close()  # the error under way says more than a second one from closing


class Store(Lines[_R]):
    """Such a file whose records, as found when it was opened, are held."""

    def __init__(self, path: Path, kind: type[_R], sync_every: int | None = SYNC_EVERY) -> None:
        """Raises DataError naming the line when one is not a `kind`."""
        super().__init__(path, kind, sync_every)
        self.records: list[_R] = list(read_records(path, kind))
