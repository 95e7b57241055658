"""The most likely tokens at each position of stored answers: an Arrow IPC stream beside them.

One record batch per answer, so that the file grows by appending and any Arrow reader can read it.
A batch that a crash left unfinished is cut off before the next append. Each has a checksum, and a
damaged one is dropped. Keys are unique, after any sequence of crashes and power cuts.
"""

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from config.console import print
from config.errors import DataError
from data.appender import Appender
from data.atomic_write import replace_file
from data.record_framing import (
    Span,
    holds_record,
    intact_records,
    schema_at_start,
    with_checksum,
)
from data.stored_file import is_stored

_SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # of the answer: hash of everything that determines it
        ("ids", pa.list_(pa.int32())),  # position by position
        ("logprobs", pa.list_(pa.float16())),
        # low half: tokens per position; high half: CRC-32 of the whole record batch before it
        ("k_checksum", pa.uint64()),
    ]
)
_HEADER: bytes = _SCHEMA.serialize().to_pybytes()
_K = 0xFFFFFFFF  # the low half of `k_checksum`


class TopLogprobs(NamedTuple):
    """The most likely tokens at each position of one answer, most likely first."""

    ids: NDArray[np.int32]  # [T, K]
    logprobs: NDArray[np.float16]  # [T, K], before temperature


class TopLogprobsFile(Mapping[str, TopLogprobs]):
    """One file, by the answers' keys; records are read on access, from a memory map."""

    def __init__(self, path: Path) -> None:
        """Raises DataError when the file has another schema, or nothing in it can be read."""
        self.path = path
        with path.open("rb") as file:  # an empty file cannot be mapped
            mapped = mmap(file.fileno(), 0, access=ACCESS_READ) if path.stat().st_size else b""
        self._bytes = memoryview(mapped)
        self._spans: dict[str, Span] = {}  # of the intact records
        self.damaged = 0  # places where records are damaged, the unfinished end not among them
        self.begins_well = self._bytes[: len(_HEADER)] == _HEADER
        self._scan()

    def _scan(self) -> None:
        end = len(_HEADER)  # of the record before
        for span in intact_records(self._bytes):
            self.damaged += span.start != end
            end = span.end
            batch = _read_batch(self._slice(span))
            self._spans[batch.column("key")[0].as_py()] = span
        self.damaged += holds_record(self._bytes, end)
        if not (self._spans or self.begins_well or _is_unfinished_header(self._bytes)):
            schema = schema_at_start(self._bytes)
            reason = "holds no intact record" if schema is None else "has another schema"
            raise DataError(f"{self.path}: {reason}; remove the file to generate it again")

    def __getitem__(self, key: str) -> TopLogprobs:
        batch = _read_batch(self._slice(self._spans[key]))
        width = batch.column("k_checksum")[0].as_py() & _K
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

    def record_bytes(self, keys: Container[str]) -> Iterator[memoryview]:
        """The records of these keys as uncopied bytes."""
        return (self._slice(span) for key, span in self._spans.items() if key in keys)

    def _slice(self, span: Span) -> memoryview:
        return self._bytes[span.start : span.end]


def read_top_logprobs(path: Path) -> TopLogprobsFile:
    """The most likely tokens of the answers in a file, by key.

    Raises DataError when the file is missing, has another schema, or is damaged.
    """
    if not is_stored(path):
        raise DataError(f"{path}: not there; run `unprompted teacher CONFIG generate` first")
    file = TopLogprobsFile(path)
    if file.damaged:
        raise DataError(
            f"{path}: damaged at {file.damaged} of its records; run `unprompted teacher CONFIG "
            "generate` to ask for these answers again"
        )
    return file


def merge_top_logprobs(paths: Iterable[Path], out: Path) -> None:
    """Writes the records of all existing files into one; the first record of a key wins.

    Without any record it writes no file. Raises DataError on another schema or a full disk.
    """
    files = [TopLogprobsFile(path) for path in paths if is_stored(path)]

    def parts() -> Iterator[bytes | memoryview]:
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
        Damaged records are dropped, which is printed; their answers will be generated again.

        Raises DataError when the file has another schema.
        """
        self._path = path
        self._file: Appender | None = None
        self._keys: set[str] = set()
        if is_stored(path):
            stored = TopLogprobsFile(path)
            if stored.damaged:
                print(f"{path}: damaged at {stored.damaged} of its records; their answers are lost")
            self._keys.update(key for key in stored if key in keys)
            os.truncate(path, stored.end(keys))  # usually enough, without a copy
            _reduce(stored, keys)

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
        if is_stored(self._path):
            _reduce(TopLogprobsFile(self._path), keys)


def _reduce(file: TopLogprobsFile, keys: Container[str]) -> None:
    """Reduces the file to the records of these keys; removes it if there are none."""
    size = file.size(keys)
    if not size:
        file.path.unlink()
    elif size < file.path.stat().st_size or not file.begins_well:
        replace_file(file.path, chain[bytes | memoryview]([_HEADER], file.record_bytes(keys)))


def _message(key: str, top_logprobs: TopLogprobs) -> bytes:
    """The serialised record batch of an answer."""
    ids, logprobs = top_logprobs
    values = [key, ids.ravel(), logprobs.ravel(), ids.shape[1]]
    columns = [pa.array([value], kind) for value, kind in zip(values, _SCHEMA.types, strict=True)]
    batch = pa.record_batch(columns, schema=_SCHEMA)
    return with_checksum(batch.serialize().to_pybytes())


def _read_batch(message: memoryview) -> Any:
    return pa.ipc.read_record_batch(pa.py_buffer(message), _SCHEMA)


def _is_unfinished_header(data: memoryview) -> bool:
    """Whether a crash left a part of the header; a power cut may leave zeros behind it."""
    begun = bytes(data[: len(_HEADER)]).rstrip(b"\0")
    return _HEADER.startswith(begun) and not re.compile(b"[^\0]").search(data, len(begun))
