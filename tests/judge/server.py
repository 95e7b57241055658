"""A local HTTP server that speaks /v1/chat/completions, well or badly, as a test wants it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


def verdict(word: str = "pass", evidence: tuple[str, ...] = ()) -> Sent:
    """A well-formed reply."""
    return Sent(json.dumps({"evidence": evidence, "reasoning": "So it is.", "verdict": word}))


def error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Sent:
    """An error in OpenAI's form."""
    raw = json.dumps({"error": {"message": message, "code": code, "type": "x"}}).encode()
    return Sent(status=status, raw=raw, headers=headers)


def is_probe(body: Body) -> bool:
    """Whether this is the judge's probe of output modes."""
    return "Be polite." in body["messages"][1]["content"]


def user(body: Body) -> str:
    """The first user turn of a request."""
    return str(body["messages"][1]["content"])


@contextmanager
def serving(respond: Respond) -> Iterator[Served]:
    """Runs a server on a free port for the time of the block."""
    lock = threading.Lock()
    served = Served("", [], [])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                served.bodies.append(body)
                served.keys.append(self.headers["authorization"])
                sent = respond(body)
            time.sleep(sent.delay_s)
            if sent.drop:
                self.close_connection = True
                return
            payload = sent.payload()
            try:
                self.send_response(sent.status)
                kind = {"content-type": "application/json"}
                for name, value in {**kind, **sent.headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
            except OSError:  # the client did not wait
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
