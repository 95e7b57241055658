"""The most likely tokens at each position of stored answers: an Arrow IPC stream beside them.

One record batch per answer, so that the file grows by appending and any Arrow reader can read it.
A batch that a crash left unfinished is cut off before the next append. Keys are unique, after any
sequence of crashes and power cuts.
"""

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from config.errors import DataError
from data.appender import Appender
from data.atomic_write import replace_file

_SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # of the answer: hash of everything that determines it
        ("k", pa.int32()),  # tokens per position
        ("ids", pa.list_(pa.int32())),  # position by position
        ("logprobs", pa.list_(pa.float16())),
    ]
)
_HEADER: bytes = _SCHEMA.serialize().to_pybytes()
_UNFINISHED = pa.ArrowException, OSError, EOFError  # pyarrow's errors on a short message


class TopLogprobs(NamedTuple):
    """The most likely tokens at each position of one answer, most likely first."""

    ids: NDArray[np.int32]  # [T, K]
    logprobs: NDArray[np.float16]  # [T, K], before temperature


class _Span(NamedTuple):
    """Byte offsets of a record batch."""

    start: int
    end: int


class TopLogprobsFile(Mapping[str, TopLogprobs]):
    """One file, by the answers' keys; records are read on access, from a memory map."""

    def __init__(self, path: Path) -> None:
        """Raises DataError when the file has another schema."""
        self.path = path
        self._bytes = pa.memory_map(str(path)).read_buffer()
        self._spans = dict(_scan(self._bytes, path))

    def __getitem__(self, key: str) -> TopLogprobs:
        batch = _read_batch(self._slice(self._spans[key]))
        width = batch.column("k")[0].as_py()
        ids, logprobs = (
            batch.column(name).values.to_numpy().reshape(-1, width) for name in ("ids", "logprobs")
        )
        return TopLogprobs(ids, logprobs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def end(self, keys: Container[str]) -> int:
        """The byte offset after the last complete record of these keys."""
        return max((span.end for key, span in self._spans.items() if key in keys), default=0)

    def size(self, keys: Container[str]) -> int:
        """Bytes of a file with only these keys' records; 0 if there are none."""
        size = sum(span.end - span.start for key, span in self._spans.items() if key in keys)
        return size + len(_HEADER) if size else 0

    def record_bytes(self, keys: Container[str]) -> Iterator[Any]:
        """The records of these keys as uncopied bytes."""
        return (self._slice(span) for key, span in self._spans.items() if key in keys)

    def _slice(self, span: _Span) -> Any:
        return self._bytes.slice(span.start, span.end - span.start)


def read_top_logprobs(path: Path) -> TopLogprobsFile:
    """The most likely tokens of the answers in a file, by key.

    Raises DataError when the file is missing or has another schema.
    """
    try:
        return TopLogprobsFile(path)
    except FileNotFoundError:
        raise DataError(
            f"{path}: not there; run `python -m teacher CONFIG generate` first"
        ) from None


def merge_top_logprobs(paths: Iterable[Path], out: Path) -> None:
    """Writes the records of all existing files into one; the first record of a key wins.

    Without any record it writes no file. Raises DataError on another schema or a full disk.
    """
    files = [TopLogprobsFile(path) for path in paths if path.exists()]

    def parts() -> Iterator[Any]:
        written: set[str] = set()
        yield _HEADER
        for file in files:
            yield from file.record_bytes(file.keys() - written)
            written.update(file)

    if any(files):
        replace_file(out, parts())


class TopLogprobsStore:
    """A file that one process writes, the one that writes the answers beside it.

    The first append creates the file.
    """

    def __init__(self, path: Path, keys: Container[str]) -> None:
        """`keys` of the stored answers. Unfinished records are cut off, and so are records whose
        answer was not stored before a crash: the answer will be generated again and may differ.

        Raises DataError when the file has another schema.
        """
        self._path = path
        self._file: Appender | None = None
        self._keys: set[str] = set()
        if path.exists():
            stored = TopLogprobsFile(path)
            self._keys.update(key for key in stored if key in keys)
            os.truncate(path, stored.end(keys))  # usually enough, without a copy
            _reduce(path, keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def append(self, key: str, top_logprobs: TopLogprobs) -> None:
        """Writes one answer's record. Raises DataError when the disk is full."""
        message = _message(key, top_logprobs)
        if self._file is None:
            self._file = Appender(self._path)
        self._file.write(message if self._keys else _HEADER + message)
        self._keys.add(key)

    def finish(self, keys: Container[str]) -> None:
        """Closes, and drops the records of other keys. Raises DataError when the disk is full."""
        if self._file is not None:
            self._file.close()
        if self._path.exists():
            _reduce(self._path, keys)


def _reduce(path: Path, keys: Container[str]) -> None:
    """Reduces the file to the records of these keys; removes it if there are none."""
    file = TopLogprobsFile(path)
    size = file.size(keys)
    if not size:
        path.unlink()
    elif size < path.stat().st_size:
        replace_file(path, chain([_HEADER], file.record_bytes(keys)))


def _message(key: str, top_logprobs: TopLogprobs) -> bytes:
    """The serialised record batch of an answer."""
    ids, logprobs = top_logprobs
    values = [key, ids.shape[1], ids.ravel(), logprobs.ravel()]
    columns = [pa.array([value], kind) for value, kind in zip(values, _SCHEMA.types, strict=True)]
    message: bytes = pa.record_batch(columns, schema=_SCHEMA).serialize().to_pybytes()
    return message


def _read_batch(message: Any) -> Any:
    return pa.ipc.read_record_batch(message, _SCHEMA)


def _scan(data: Any, path: Path) -> Iterator[tuple[str, _Span]]:
    """Keys and spans of the complete records of a file, in order."""
    source = pa.BufferReader(data)
    try:
        same_schema = pa.ipc.read_schema(pa.ipc.read_message(source)).equals(_SCHEMA)
    except _UNFINISHED:
        return
    if not same_schema:
        raise DataError(f"{path}: has another schema; remove the file to generate it again")
    while True:
        start = source.tell()
        try:
            batch = _read_batch(pa.ipc.read_message(source))
        except _UNFINISHED:
            return
        yield batch.column("key")[0].as_py(), _Span(start, source.tell())
