"""A server without a model: chat completions with a fixed latency, as the compared judges ask.

It is a raw asyncio protocol in its own process: a web framework would add half a millisecond per
request to the judge's time. It counts its own CPU time and lateness.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from pydantic import BaseModel

from config.checkout import ROOT

MODEL = "fixed"

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_FENCED_ANSWER = re.compile(r"^\[begin answer \w+\]\n(.{1,40})(?= |$)", re.MULTILINE)
_REASONING = "The answer was weighed against the passages and the rule, word for word."


class Stats(BaseModel):
    """The server's counters since it started."""

    requests: int = 0
    in_flight: int = 0  # now
    most_in_flight: int = 0  # at once: below the clients' number, the server itself is the limit
    cpu_s: float = 0.0  # of its process, user and system
    late_s: float = 0.0  # time of the replies in the server beyond the latency, summed


def reply_text(body: dict[str, Any]) -> str:
    """A valid verdict for any of the judges; the request's hash decides which."""
    text = _text(body["messages"][-1]["content"])
    good = zlib.crc32(text.encode("utf-8", "surrogatepass")) % 2 == 0
    if "json_schema" in body.get("response_format", {}):  # ours
        schema = body["response_format"]["json_schema"]["schema"]
        verdict = schema["properties"]["verdict"]["enum"][0 if good else 1]
        evidence = _FENCED_ANSWER.findall(text)  # its first words, so that they are in the data
        reply = {"evidence": evidence, "reasoning": _REASONING, "verdict": verdict}
        return json.dumps(reply, ensure_ascii=False)
    if "GRADE:" in text:  # inspect_ai
        return f"{_REASONING}\n\nGRADE: {'C' if good else 'I'}"
    if '"steps"' in text:  # deepeval, in front of the first score
        return json.dumps({"steps": ["Read the passages.", "Compare the answer with them."]})
    return json.dumps({"reason": _REASONING, "score": 9 if good else 2})


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content)


def completion(body: dict[str, Any]) -> bytes:
    """The body of the response."""
    message = {"role": "assistant", "content": reply_text(body), "refusal": None}
    return json.dumps(
        {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 1,
            "model": body.get("model", MODEL),
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 500, "completion_tokens": 40, "total_tokens": 540},
        }
    ).encode()


class _Connection(asyncio.Protocol):
    """A client's connection: HTTP/1.1, keep-alive, one request at a time."""

    def __init__(self, latency_s: float, stats: Stats) -> None:
        self._latency_s = latency_s
        self._stats = stats  # of all connections
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        total = end + 4 + (int(length.group(1)) if length else 0)
        if len(self._buffer) < total:
            return
        arrived = self._loop.time()
        head, body = bytes(self._buffer[:end]), bytes(self._buffer[end + 4 : total])
        del self._buffer[:total]
        if head.startswith(b"GET"):
            self._stats.cpu_s = time.process_time()
            self._send(self._stats.model_dump_json().encode())
            return
        stats = self._stats
        stats.requests += 1
        stats.in_flight += 1
        stats.most_in_flight = max(stats.most_in_flight, stats.in_flight)
        due = arrived + self._latency_s
        self._loop.call_at(due, self._reply, completion(json.loads(body)), due)

    def _reply(self, payload: bytes, due: float) -> None:
        self._stats.in_flight -= 1
        self._stats.late_s += self._loop.time() - due
        self._send(payload)

    def _send(self, payload: bytes) -> None:
        if not self._transport.is_closing():
            head = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            )
            self._transport.write(head % len(payload) + payload)


async def _serve(latency_s: float) -> None:
    new_connection = partial(_Connection, latency_s, Stats())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(new_connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def serving(latency_s: float) -> Iterator[str]:
    """The base URL of the server, which runs in its own process within the block."""
    command = [sys.executable, "-m", "benchmarks.judging.server", str(latency_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def stats(url: str) -> Stats:
    """The counters of the server at `url`."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return Stats.model_validate_json(response.read())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Answers every request after LATENCY_S seconds.")
    parser.add_argument("latency_s", type=float)
    asyncio.run(_serve(parser.parse_args().latency_s))
