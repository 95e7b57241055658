"""Times the server and the machine alone: the same load from a client that only sends and reads."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks.judging.items import Item
from benchmarks.judging.server import MODEL, stats


class Floor(NamedTuple):
    """The load without a judge, in seconds for all items."""

    wall_s: float
    server_cpu_s: float
    late_s: float  # time of the replies in the server beyond the latency, summed


def measure_floor(items: list[Item], url: str, in_flight: int) -> Floor:
    """Sends one request per item over `in_flight` connections, back to back."""
    before = stats(url)
    start = time.perf_counter()
    asyncio.run(_send_all([_request(item) for item in items], url, in_flight))
    wall_s = time.perf_counter() - start
    after = stats(url)
    if after.requests - before.requests != len(items):
        raise RuntimeError(f"the server saw {after.requests - before.requests} requests")
    return Floor(wall_s, after.cpu_s - before.cpu_s, after.late_s - before.late_s)


def _request(item: Item) -> bytes:
    texts = [item.row.question, *(context.text for context in item.row.contexts), item.answer.text]
    message = {"role": "user", "content": "\n\n".join(texts)}
    body = json.dumps({"model": MODEL, "messages": [message]}).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
    return (head % len(body)).encode() + body


async def _send_all(requests: list[bytes], url: str, in_flight: int) -> None:
    address = urlsplit(url)
    queue = iter(requests)
    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(_connection(address.hostname or "", address.port or 80, queue))


async def _connection(host: str, port: int, queue: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for request in queue:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.rpartition(b"content-length:")[2]))
    writer.close()
    await writer.wait_closed()
