"""A stand-in for vLLM, and the proxy in front of it, each on a port of its own."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Body = dict[str, Any]


def text_of(body: Body) -> str:
    """The stub's answer: its model and the roles and texts of the chat that it got."""
    chat = " | ".join(f"{turn['role']}: {turn['content']}" for turn in body["messages"])
    return f"{body['model']} read {chat}"


class ModelStub:
    """Answers chats with what it read, whole or word by word."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.delay_s = delay_s  # before an answer
        self.refusal: Response | None = None  # instead of an answer
        self.cut_after: int | None = None  # words of a stream, behind which the connection breaks

    def app(self) -> Starlette:
        chat = Route("/v1/chat/completions", self._chat, methods=["POST"])
        return Starlette(routes=[chat, Route("/v1/models", self._models)])

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "base", "object": "model"}]})

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.delay_s)
        if self.refusal is not None:
            return self.refusal
        if body.get("stream"):
            return StreamingResponse(self._events(body), media_type="text/event-stream")
        message = {"role": "assistant", "content": text_of(body)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        reply = {"id": "x", "object": "chat.completion", "created": 1, "model": body["model"]}
        return Response(json.dumps(reply | {"choices": [choice]}), media_type="application/json")

    async def _events(self, body: Body) -> AsyncIterator[bytes]:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for count, word in enumerate(text_of(body).split(" ")):
            if count == self.cut_after:
                raise ConnectionResetError("the test breaks the stream here")
            delta = {"content": f" {word}" if count else word}
            event = head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
            yield b"data: " + json.dumps(event).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"


def listener(port: int = 0) -> socket.socket:
    """An open socket on a free port, or on the one that a server had before."""
    return socket.create_server(("127.0.0.1", port))


@contextmanager
def running(app: Starlette, on: socket.socket) -> Iterator[str]:
    """Runs an application; yields its address without /v1."""
    settings = uvicorn.Config(app, log_level="critical", access_log=False)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [on]})
    port = on.getsockname()[1]
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
