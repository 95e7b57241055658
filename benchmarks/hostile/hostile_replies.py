"""Replies that are made to cost their reader memory or time, as bytes to send, head included."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, repeat

MIB = 2**20
GIB = 2**30
_BLANKS = b" " * MIB
_OBJECTS = b"{}," * (MIB // 3)


def _head(*lines: str, status: int = 200) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} X", *lines, "", "")).encode()


def _sized(body: bytes, *lines: str) -> Iterator[bytes]:
    yield _head("content-type: application/json", f"content-length: {len(body)}", *lines)
    yield body


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _chunked(pieces: Iterator[bytes], *lines: str) -> Iterator[bytes]:
    yield _head("content-type: application/json", "transfer-encoding: chunked", *lines)
    yield from map(_chunk, pieces)
    yield b"0\r\n\r\n"


def completion(content: str) -> bytes:
    """A well-formed chat completion."""
    choice = {"index": 0, "message": {"content": content}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


def bomb(size: int, window: int) -> bytes:
    """`size` blanks, packed a thousand times smaller. `window` of zlib: 31 gzip, 15 zlib."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    first = packer.compress(_BLANKS) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(_BLANKS) + packer.flush(zlib.Z_FULL_FLUSH)  # stands for itself
    return first + block * (size // MIB - 1)


def _empty_blocks() -> Iterator[bytes]:
    """A gzip stream that goes on for ever and unpacks to nothing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.flush(zlib.Z_SYNC_FLUSH)
    yield from repeat(b"\x00\x00\x00\xff\xff" * 10_000)  # a stored block of length 0


def _cut() -> Iterator[bytes]:
    body = completion("x")
    yield _head("content-type: application/json", f"content-length: {10 * len(body)}")
    yield body


def _overlong() -> Iterator[bytes]:
    body = completion("x")
    yield _head("content-type: application/json", f"content-length: {len(body) // 2}")
    yield body


REPLIES: dict[str, Callable[[], Iterator[bytes]]] = {
    "gzip bomb of 4 GiB": lambda: _sized(bomb(4 * GIB, 31), "content-encoding: gzip"),
    "deflate bomb of 4 GiB": lambda: _sized(bomb(4 * GIB, 15), "content-encoding: deflate"),
    "gzip bomb of 4 GiB, packed twice": lambda: _sized(
        gzip.compress(bomb(4 * GIB, 31)), "content-encoding: gzip, gzip"
    ),
    "gzip bomb in an error 500": lambda: chain(
        [_head("content-encoding: gzip", "connection: close", status=500)], [bomb(4 * GIB, 31)]
    ),
    "gzip of nothing, endless": lambda: _chunked(_empty_blocks(), "content-encoding: gzip"),
    "br that is none": lambda: _sized(_BLANKS, "content-encoding: br"),
    "zstd that is none": lambda: _sized(_BLANKS, "content-encoding: zstd"),
    "endless stream": lambda: _chunked(repeat(_BLANKS)),
    "endless text of a reply": lambda: _chunked(
        chain([completion("x")[:40]], repeat(b"x" * MIB)),
    ),
    "content-length of 1 TiB": lambda: chain([_head(f"content-length: {2**40}")], repeat(_BLANKS)),
    "deep JSON, 15 MiB": lambda: _sized(b"[" * (15 * MIB)),
    "many objects, 15 MiB": lambda: _sized(
        b'{"choices":[{"message":{"content":[' + _OBJECTS * 15 + b"{}]}}]}"
    ),
    "250,000 objects, 15 MiB": lambda: _sized(
        b'{"choices":[{"message":{"content":[' + b"{}," * 250_000 + b"{}]}}]}" + _BLANKS * 14
    ),
    "a number of 15 MiB": lambda: _sized(b'{"usage":' + b"9" * (15 * MIB) + b"}"),
    "endless headers": lambda: chain([b"HTTP/1.1 200 X\r\n"], repeat(b"a: b\r\n" * 1000)),
    "a header without end": lambda: chain([b"HTTP/1.1 200 X\r\na: "], repeat(_BLANKS)),
    "endless status 100": lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "slow drip, a byte in 50 ms": lambda: chain(
        [_head("content-length: 99999")], (bytes([byte]) for byte in _BLANKS)
    ),
    "silence": lambda: iter((_head("content-length: 9"),)),
    "redirect to itself": lambda: iter(
        (_head("location: ./completions", "content-length: 0", status=307),)
    ),
    "chunked garbage": lambda: chain(
        [_head("transfer-encoding: chunked")], repeat(b"zz\r\nnot a chunk\r\n" * 1000)
    ),
    "content-length too large": _cut,
    "content-length too small": _overlong,
    "a whole reply, unpacked 1 MiB": lambda: _sized(
        gzip.compress(completion("x" * MIB)), "content-encoding: gzip"
    ),
}
PAUSES_S = {"slow drip, a byte in 50 ms": 0.05, "silence": 3600.0}  # behind each piece
