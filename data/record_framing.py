"""Records in the bytes of an Arrow IPC stream, each with a checksum of its own.

Each record is one record batch message. Its last 4 bytes are the CRC-32 of all its other bytes, so
Arrow reads no record that is torn or whose bits are flipped. Behind a damaged record the search
goes on byte by byte: no other record is lost with it.
"""

import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

_CHECKSUM = 4  # bytes
# how a message begins: 4 bytes, then the length of its metadata, here below 4 kB
_START = re.compile(rb"\xff{4}[\x00-\xff][\x00-\x0f]\x00\x00")
_NO_MESSAGE = pa.ArrowException, OSError, EOFError  # pyarrow's errors on torn or other bytes


class Span(NamedTuple):
    """Byte offsets of a record."""

    start: int
    end: int


def with_checksum(message: bytes) -> bytes:
    """A record batch message whose last column ends in 4 bytes for the checksum, with it."""
    body = message[:-_CHECKSUM]
    return body + zlib.crc32(body).to_bytes(_CHECKSUM, "little")


def intact_records(data: memoryview) -> Iterator[Span]:
    """The records of a buffer whose checksum is right, in order."""
    position = 0
    while match := _START.search(data, position):
        span = _record_at(data, match.start())
        if span is not None and _is_intact(data, span):
            yield span
            position = span.end
        else:
            position = match.start() + 1


def holds_record(data: memoryview, position: int) -> bool:
    """Whether a record begins there that is not cut off; its content may be damaged."""
    return _record_at(data, position) is not None


def _record_at(data: memoryview, start: int) -> Span | None:
    source = pa.BufferReader(data[start:])
    try:
        is_record = pa.ipc.read_message(source).type == "record batch"
    except _NO_MESSAGE:
        return None
    return Span(start, start + source.tell()) if is_record else None


def _is_intact(data: memoryview, span: Span) -> bool:
    end = span.end - _CHECKSUM
    return zlib.crc32(data[span.start : end]) == int.from_bytes(data[end : span.end], "little")


def schema_at_start(data: memoryview) -> Any:
    """The schema with which a buffer begins; None where it begins with none."""
    try:
        return pa.ipc.read_schema(pa.ipc.read_message(pa.BufferReader(data)))
    except _NO_MESSAGE:
        return None
