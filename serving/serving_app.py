"""The proxy: an OpenAI-compatible server in front of vLLM that takes the system prompt out.

A client that goes on sending the prompt needs no change. What the proxy does not know, it passes on
unchanged: other paths, other models, chats without the prompt.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path

from config.errors import DataError
from serving.answer_text import StreamedAnswer, answer_of
from serving.known_prompt import RequestTurn
from serving.pair_log import PairLog
from serving.request_body import asks_for_stream, error_reply, read_request, too_large
from serving.routing import PASSED_ON, PROMPTED, Route, Router
from serving.traffic_counters import TrafficCounters
from serving.upstream import AWAY, RESTART_S, Upstream, passed_headers

_CHAT = "/v1/chat/completions"
_METHODS = ["GET", "POST", "DELETE"]


@dataclass(frozen=True)
class ServedModel:
    """Where a route leads."""

    base_url: str  # without /v1
    model: str  # as the server there names it
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)  # of the chat template


@dataclass(frozen=True)
class ServingPlan:
    """Everything that a proxy does with a request."""

    router: Router
    targets: Mapping[
        str, ServedModel
    ]  # by route: every student, and PROMPTED where there is a base
    shadow_share: float = 0.0  # of the routed requests, asked of the other model too, in silence
    log: PairLog | None = None
    restart_s: float = RESTART_S

    @property
    def default(self) -> ServedModel:
        """The target of requests that are passed on."""
        return self.targets[self.router.students[0]]


def make_app(plan: ServingPlan) -> Starlette:
    """The proxy as an ASGI application."""
    proxy = _Proxy(plan)
    paths = [
        Path("/metrics", proxy.metrics),
        Path(_CHAT, proxy.chat, methods=["POST"]),
        Path("/{path:path}", proxy.pass_on, methods=_METHODS),
    ]
    return Starlette(routes=paths, lifespan=proxy.lifespan)


class _Proxy:
    def __init__(self, plan: ServingPlan) -> None:
        self._plan = plan
        self._counters = TrafficCounters()
        self._upstreams: dict[str, Upstream] = {}  # by base_url
        self._shadows: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Opens the connections, and closes them when the last shadow has its answer."""
        for target in self._plan.targets.values():
            if target.base_url not in self._upstreams:
                self._upstreams[target.base_url] = Upstream(target.base_url, self._plan.restart_s)
        try:
            yield
        finally:
            await asyncio.gather(*self._shadows, return_exceptions=True)
            for upstream in self._upstreams.values():
                await upstream.close()

    async def metrics(self, _: Request) -> Response:
        """The counters."""
        return Response(self._counters.text(), media_type="text/plain; version=0.0.4")

    async def pass_on(self, request: Request) -> Response:
        """Any request but a chat, unchanged."""
        body = await read_request(request)
        return await self._passed_on(request, body) if body is not None else too_large()

    async def chat(self, request: Request) -> Response:
        """A chat: routed, without the prompt where a student answers."""
        start = time.perf_counter()
        body = await read_request(request)
        if body is None:
            return too_large()
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            return error_reply(400, "the body is not JSON")
        messages = payload.get("messages") if isinstance(payload, dict) else None
        if not isinstance(messages, list) or not messages:
            return await self._passed_on(request, body)  # the server says what is wrong
        route = self._plan.router.route(payload.get("model"), messages, request.headers)
        if route.name == PASSED_ON:
            return await self._passed_on(request, body)
        if route.name not in self._plan.targets:
            return error_reply(
                404, f"model {route.name!r} is not served here; start with --with-base"
            )
        return await self._answer(request, payload, route, start)

    async def _answer(
        self, request: Request, payload: dict[str, Any], route: Route, start: float
    ) -> Response:
        target = self._plan.targets[route.name]
        upstream, body = self._upstreams[target.base_url], _routed(payload, route, target)
        has_shadow = random.random() < self._plan.shadow_share
        try:
            if payload.get("stream"):
                response = await upstream.open(_CHAT, body, request.headers)
                return self._stream(response, route, payload if has_shadow else None, start)
            reply = await upstream.fetch("POST", _CHAT, body, request.headers)
        except AWAY:
            self._counters.requests.labels(route.name, "502").inc()
            return error_reply(502, "the model's server is away and did not come back")
        self._count(route, reply.status, start)
        if reply.status == 200:
            self._answered(route, answer_of(reply.body), payload if has_shadow else None)
        return Response(reply.body, reply.status, reply.headers | _about(route))

    def _stream(
        self,
        response: ClientResponse,
        route: Route,
        payload: dict[str, Any] | None,
        start: float,
    ) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            answer, is_first = StreamedAnswer(), True
            try:
                async for piece in response.content.iter_any():
                    if is_first:
                        self._count(route, response.status, start)
                        is_first = False
                    answer.feed(piece)
                    yield piece
                if response.status == 200:
                    self._answered(route, answer.text, payload)
            except AWAY:
                self._counters.requests.labels(route.name, "cut").inc()
                error = {"message": "the model's server went away", "type": "server_error"}
                yield b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
            finally:
                response.close()  # a client that left stops the generation

        headers = passed_headers(response.headers) | _about(route)
        return StreamingResponse(pieces(), response.status, headers)

    def _count(self, route: Route, status: int, start: float) -> None:
        self._counters.requests.labels(route.name, str(status)).inc()
        self._counters.first_byte.labels(route.name).observe(time.perf_counter() - start)
        if status == 200 and route.tokens_saved:
            self._counters.tokens_saved.labels(route.name).inc(route.tokens_saved)

    def _answered(self, route: Route, answer: str | None, payload: dict[str, Any] | None) -> None:
        """Logs an answer; with a payload it is asked of the other model first."""
        if payload is None:
            self._log(route, answer, None)
            return
        task = asyncio.create_task(self._shadow(route, answer, payload))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _shadow(self, route: Route, answer: str | None, payload: dict[str, Any]) -> None:
        other = self._plan.router.shadow(route)
        target = self._plan.targets[other.name]
        quiet = {name: value for name, value in payload.items() if name != "stream_options"}
        body = _routed(quiet | {"stream": False}, other, target)
        headers = {"content-type": "application/json"}
        try:
            reply = await self._upstreams[target.base_url].fetch("POST", _CHAT, body, headers)
        except AWAY:
            self._counters.shadows.labels("502").inc()
            self._log(route, answer, None)
            return
        self._counters.shadows.labels(str(reply.status)).inc()
        text = answer_of(reply.body) if reply.status == 200 else None
        self._log(route, answer, None if text is None else (other.name, text))

    def _log(self, route: Route, answer: str | None, shadow: tuple[str, str] | None) -> None:
        if self._plan.log is None or answer is None:
            return
        messages = route.messages
        if route.name == PROMPTED:
            messages = self._plan.router.shadow(route).messages
        try:
            self._plan.log.write(route.name, messages, answer, shadow)
        except DataError:  # a full disk costs the log, not the client
            self._counters.unlogged.inc()

    async def _passed_on(self, request: Request, body: bytes) -> Response:
        start = time.perf_counter()
        upstream = self._upstreams[self._plan.default.base_url]
        query = f"?{request.url.query}" if request.url.query else ""
        path = f"{request.url.path}{query}"
        route = Route(PASSED_ON, ())
        try:
            if asks_for_stream(body):
                response = await upstream.open(path, body, request.headers)
                return self._stream(response, route, None, start)
            reply = await upstream.fetch(request.method, path, body, request.headers)
        except AWAY:
            return error_reply(502, "the model's server is away and did not come back")
        self._count(route, reply.status, start)
        return Response(reply.body, reply.status, reply.headers)


def _routed(payload: Mapping[str, Any], route: Route, target: ServedModel) -> bytes:
    """The request's body for a target. A client's own template arguments stay."""
    messages: list[RequestTurn] = list(route.messages)
    routed = {**payload, "model": target.model, "messages": messages}
    if target.template_kwargs and "chat_template_kwargs" not in payload:
        routed["chat_template_kwargs"] = dict(target.template_kwargs)
    return json.dumps(routed).encode()


def _about(route: Route) -> dict[str, str]:
    return {
        "x-unprompted-route": route.name,
        "x-unprompted-tokens-saved": str(route.tokens_saved),
    }
