"""The most likely tokens at each position of stored answers: an Arrow IPC stream beside them.

One record batch per answer, so that the file grows answer by answer and any Arrow reader can read
it. A batch that a crash has torn is found by its length and cut before the next one is appended.
A key comes once, whatever crashes and power cuts lie behind the file.
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
_HEAD: bytes = _SCHEMA.serialize().to_pybytes()
_TORN = (pa.ArrowException, OSError, EOFError)  # what pyarrow raises on a message that ends early


class TopLogprobs(NamedTuple):
    """The most likely tokens at each position of one answer, by falling probability."""

    ids: NDArray[np.int32]  # [T, K]
    logprobs: NDArray[np.float16]  # [T, K], before temperature


class _Span(NamedTuple):
    """Where a record batch lies in its file, in bytes."""

    start: int
    end: int


class TopLogprobsFile(Mapping[str, TopLogprobs]):
    """The records of one file by the answers' keys; read where asked for, out of a memory map."""

    def __init__(self, path: Path) -> None:
        """Raises DataError when the file is of another layout."""
        self.path = path
        self._bytes = pa.memory_map(str(path)).read_buffer()
        self._spans = dict(_records(self._bytes, path))

    def __getitem__(self, key: str) -> TopLogprobs:
        batch = _batch(self._slice(self._spans[key]))
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
        """Bytes up to the end of the last whole record of one of these keys."""
        return max((span.end for key, span in self._spans.items() if key in keys), default=0)

    def size(self, keys: Container[str]) -> int:
        """Bytes of a file with just these keys' records; of none: 0."""
        sizes = (span.end - span.start for key, span in self._spans.items() if key in keys)
        found = sum(sizes)
        return found + len(_HEAD) if found else 0

    def parts(self, keys: Container[str]) -> Iterator[Any]:
        """Their bytes, uncopied, record by record."""
        return (self._slice(span) for key, span in self._spans.items() if key in keys)

    def _slice(self, span: _Span) -> Any:
        return self._bytes.slice(span.start, span.end - span.start)


def read_top_logprobs(path: Path) -> TopLogprobsFile:
    """The most likely tokens of the answers in a file, by key.

    Raises DataError when there is no such file, or it is of another layout.
    """
    try:
        return TopLogprobsFile(path)
    except FileNotFoundError:
        raise DataError(
            f"{path}: not there; run `python -m teacher CONFIG generate` first"
        ) from None


def join_top_logprobs(paths: Iterable[Path], out: Path) -> None:
    """Writes the records of all files that are there into one; of a key that several have, the
    first. Of no records no file. Raises DataError when one is of another layout, or the disk full.
    """
    files = [TopLogprobsFile(path) for path in paths if path.exists()]
    size = sum(file.path.stat().st_size for file in files)

    def parts() -> Iterator[Any]:
        seen: set[str] = set()
        yield _HEAD
        for file in files:
            yield from file.parts({key for key in file if key not in seen})
            seen.update(file)

    if any(files):
        replace_file(out, parts(), size)


class TopLogprobsStore:
    """A file under construction. Its owner is the one process that writes the answers beside it.

    The file is made by the first append.
    """

    def __init__(self, path: Path, keys: Container[str]) -> None:
        """`keys`: of the stored answers. A torn record is cut, and so is one whose answer a crash
        kept from being stored: the answer will be drawn again, and may be another one.

        Raises DataError when the file is of another layout.
        """
        self._path = path
        self._file: Appender | None = None
        self._keys: set[str] = set()
        if path.exists():
            found = TopLogprobsFile(path)
            self._keys.update(key for key in found if key in keys)
            os.truncate(path, found.end(keys))  # all of it, as a rule, and no copy is made
            _keep(path, keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def append(self, key: str, topk: TopLogprobs) -> None:
        """Writes one answer's record. Raises DataError when the disk is full."""
        data = _message(key, topk)
        if self._file is None:
            self._file = Appender(self._path)
        self._file.write(data if self._keys else _HEAD + data)
        self._keys.add(key)

    def finish(self, keys: Container[str]) -> None:
        """Closes, and drops the records of other keys. Raises DataError when the disk is full."""
        if self._file is not None:
            self._file.close()
        if self._path.exists():
            _keep(self._path, keys)


def _keep(path: Path, keys: Container[str]) -> None:
    """Replaces the file by one with just these keys' records, unless it is that already."""
    file = TopLogprobsFile(path)
    size = file.size(keys)
    if not size:
        path.unlink()
    elif size < path.stat().st_size:
        replace_file(path, chain([_HEAD], file.parts(keys)), size)


def _message(key: str, topk: TopLogprobs) -> bytes:
    """An answer's record batch as it stands in the file."""
    columns = [pa.array([key], pa.string()), pa.array([topk.ids.shape[1]], pa.int32())]
    for values in topk:
        ends = pa.array([0, values.size], pa.int32())
        columns.append(pa.ListArray.from_arrays(ends, pa.array(values.ravel())))
    batch = pa.record_batch(columns, schema=_SCHEMA)
    data: bytes = batch.serialize().to_pybytes()
    return data


def _batch(message: Any) -> Any:
    return pa.ipc.read_record_batch(message, _SCHEMA)


def _records(data: Any, path: Path) -> Iterator[tuple[str, _Span]]:
    """Keys and places of the whole records of a file, in its order; a torn one ends it."""
    source = pa.BufferReader(data)
    try:
        head = pa.ipc.read_message(source)
        known = pa.ipc.read_schema(head).equals(_SCHEMA)
    except _TORN:
        return
    if not known:
        raise DataError(f"{path}: is of another layout; remove the file to ask again")
    while True:
        start = source.tell()
        try:
            batch = _batch(pa.ipc.read_message(source))
        except _TORN:
            return
        yield batch.column("key")[0].as_py(), _Span(start, source.tell())
