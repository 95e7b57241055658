"""A local HTTP server that speaks /v1/chat/completions, well or badly, as a test wants it."""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass
class Sent:
    """What the server does with one request."""

    text: str | None = None  # of the reply's message; None: `raw` is sent
    status: int = 200
    raw: bytes = b"{}"
    finish: str | None = "stop"
    refusal: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False  # close the connection without a word
    halfway_s: float | None = None  # send half of the reply, wait so long, close the connection

    def payload(self) -> bytes:
        if self.text is None and self.refusal is None:
            return self.raw
        message = {"role": "assistant", "content": self.text, "refusal": self.refusal}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        return json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": "fake",
                "choices": [choice],
                "usage": usage,
            }
        ).encode()


Respond = Callable[[Body], Sent]


@dataclass
class Served:
    """A running server and the requests that it has seen."""

    url: str
    bodies: list[Body]
    keys: list[str]
    heads: list[dict[str, str]] = field(default_factory=list)  # the first line is a name too
    connections: int = 0
    broken: list[Exception] = field(default_factory=list)  # what `respond` raised


def verdict(word: str = "pass", evidence: tuple[str, ...] = ()) -> Sent:
    """A well-formed reply."""
    return Sent(json.dumps({"evidence": evidence, "reasoning": "So it is.", "verdict": word}))


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Sent:
    """An error in OpenAI's form."""
    raw = json.dumps({"error": {"message": message, "code": code, "type": "x"}}).encode()
    return Sent(status=status, raw=raw, headers=headers)


def is_probe(body: Body) -> bool:
    """Whether this is the judge's probe of output modes."""
    return any("Be polite." in one["content"] for one in body["messages"][1:2])


def user(body: Body) -> str:
    """The first user turn of a request."""
    return str(body["messages"][1]["content"])


def output_mode(body: Body) -> str:
    """The output mode of a request."""
    if "structured_outputs" in body:
        return "structured_outputs"
    return str(body.get("response_format", {"type": "plain"})["type"])


@contextmanager
def serving(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Runs a server on a free port for the time of the block.

    In one thread: with one for each connection they would mostly wait for each other's turn. What
    `respond` raises is raised at the end: the client takes it for a fault and asks again.
    """
    served = Served("", [], [])
    ready = threading.Event()
    ends: list[Callable[[], object]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            while await _answered(reader, writer, respond, served):
                pass
        except (OSError, asyncio.IncompleteReadError):  # the client did not wait
            pass
        except Exception as error:
            served.broken.append(error)
        finally:
            writer.close()

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls) as server:
            served.url = (
                f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            )
            ends.append(lambda: loop.call_soon_threadsafe(stop.set))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield served
    finally:
        ends[0]()
        thread.join()
    if served.broken:
        raise served.broken[0]


async def _answered(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond, served: Served
) -> bool:
    """Answers one request; whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
    body = json.loads(await reader.readexactly(int(headers["content-length"])))
    served.bodies.append(body)
    served.keys.append(headers["authorization"])
    served.heads.append(headers)
    sent = respond(body)
    await asyncio.sleep(sent.delay_s)
    if sent.drop:
        return False
    payload = sent.payload()
    lines = {"content-type": "application/json", **sent.headers, "content-length": len(payload)}
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    reply = f"HTTP/1.1 {sent.status} X\r\n{fields}\r\n".encode() + payload
    if sent.halfway_s is not None:
        writer.write(reply[: -len(payload) // 2])
        await asyncio.sleep(sent.halfway_s)
        return False
    writer.write(reply)
    await writer.drain()
    return True
