"""A server without a model: chat completions with a fixed latency, in any requested format.

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
from typing import Any

from config.checkout import ROOT
from data.records import Record

MODEL = "fixed"

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_OPTIONS = re.compile(r"verdict: (\w+) or (\w+)", re.IGNORECASE)
_FENCED_ANSWER = re.compile(r"^\[begin answer \w+\]\n(.{1,40})(?= |$)", re.MULTILINE)
_REASONING = "The answer was weighed against the passages and the rule, word for word."


class Stats(Record):
    """The server's counters since it started."""

    requests: int
    cpu_s: float  # of its process, user and system
    late_s: float  # time of the replies in the server beyond the latency, summed
    most_in_flight: int  # requests at once


def reply_text(body: dict[str, Any]) -> str:
    """A valid verdict in the requested format; the request's hash decides which."""
    text = _text(body["messages"][-1]["content"])
    good = zlib.crc32(text.encode("utf-8", "surrogatepass")) % 2 == 0
    schema = _schema(body)
    if schema is not None:
        return _json_verdict(text, schema["properties"]["verdict"]["enum"], good)
    if body.get("response_format", {}).get("type") == "json_object":
        return _json_verdict(text, _options(body), good)
    if "GRADE:" in text:  # inspect_ai
        return f"{_REASONING}\n\nGRADE: {'C' if good else 'I'}"
    if '"steps"' in text:  # deepeval, in front of the first score
        return json.dumps({"steps": ["Read the passages.", "Compare the answer with them."]})
    if '"score"' in text:
        return json.dumps({"reason": _REASONING, "score": 9 if good else 2})
    verdict = _options(body)[0 if good else 1]
    return f'EVIDENCE: "{_quote(text)}"\nREASONING: {_REASONING}\nVERDICT: {verdict}'


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content)


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema of the request, in OpenAI's field or in vLLM's."""
    named = body.get("response_format", {}).get("json_schema", {})
    schema = named.get("schema") or body.get("structured_outputs", {}).get("json")
    return schema if isinstance(schema, dict) else None


def _options(body: dict[str, Any]) -> list[str]:
    """The verdicts to choose from, as named in the instructions."""
    match = _OPTIONS.search(_text(body["messages"][0]["content"]))
    return list(match.groups()) if match else ["pass", "fail"]


def _json_verdict(text: str, options: list[str], good: bool) -> str:
    quote = _quote(text)
    verdict = options[0 if good else 1]
    return json.dumps(
        {"evidence": [quote] if quote else [], "reasoning": _REASONING, "verdict": verdict},
        ensure_ascii=False,
    )


def _quote(text: str) -> str:
    """The first words of the fenced answer, so that the evidence is in the data."""
    match = _FENCED_ANSWER.search(text)
    return match.group(1) if match else ""


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


class _Counts:
    """The counters of all connections."""

    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.late_s = 0.0

    def stats(self) -> Stats:
        return Stats(
            requests=self.requests,
            cpu_s=time.process_time(),
            late_s=self.late_s,
            most_in_flight=self.most_in_flight,
        )


class _Connection(asyncio.Protocol):
    """A client's connection: HTTP/1.1, keep-alive, one request at a time."""

    def __init__(self, counts: _Counts) -> None:
        self._counts = counts
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
            self._send(self._counts.stats().model_dump_json().encode())
            return
        counts = self._counts
        counts.requests += 1
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        payload = completion(json.loads(body))
        self._loop.call_at(arrived + counts.latency_s, self._reply, payload, arrived)

    def _reply(self, payload: bytes, arrived: float) -> None:
        self._counts.in_flight -= 1
        self._counts.late_s += self._loop.time() - arrived - self._counts.latency_s
        self._send(payload)

    def _send(self, payload: bytes) -> None:
        if not self._transport.is_closing():
            head = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            )
            self._transport.write(head % len(payload) + payload)


async def _serve(latency_s: float) -> None:
    counts = _Counts(latency_s)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(counts), "127.0.0.1", 0, backlog=1024)
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
