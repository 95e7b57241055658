"""Sends requests to one OpenAI-compatible server, with retries, and parses the replies.

Transient faults are retried, faults that only the user can fix stop at once, HTTP 429 lowers the
number of requests in flight. Knows HTTP and nothing of prompts.
"""

import os
import random
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from config.backends import OpenAiBackend
from config.errors import SetupError
from config.judging import ServerSettings
from wire.completion import ErrorReply, Unintelligible
from wire.limiter import AdaptiveLimiter
from wire.no_reply import (
    BadRequest,
    ContentFiltered,
    ContextOverflow,
    NotSent,
    Rejected,
    Undelivered,
)
from wire.proxy import proxy_for

GIVE_UP_AFTER = 20  # undelivered requests in a row, after which no more are sent
_KEEPALIVE_S = 4.0  # vLLM closes idle connections after 5 s and would cut a request off

_OVERFLOW = re.compile(
    r"context.?length|maximum model length|max_model_len|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)

_R = TypeVar("_R")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast a request is retried."""

    attempts: int = 6
    first_wait_s: float = 0.5  # doubles with each attempt, with full jitter
    longest_wait_s: float = 30.0  # also caps the server's Retry-After


class _Transient(Exception):
    """A fault worth a retry."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerClient(Generic[_R]):
    """Client of one server. Create, use and close it inside one event loop."""

    # aiohttp sends, not the openai client. CPU time per call: 0.12 ms with aiohttp, 0.54 ms with
    # openai 3.54 over its aiohttp transport and bytes both ways, 1.45 ms with its `create`. The
    # judge's wall time over the server's latency (python -m benchmarks.judging): 1.14 with aiohttp,
    # 1.28 with openai over aiohttp; the limit is 1.15. Tenacity takes over after a failed attempt:
    # around every attempt it costs 0.1 ms more.

    def __init__(
        self,
        setting: str,
        base_url: str,
        server: ServerSettings | OpenAiBackend,
        policy: RetryPolicy,
        read: Callable[[bytes], _R],
    ) -> None:
        """`setting` names the server in error lines; `base_url` is one of the server's.

        `read` parses a response's body, or raises Unintelligible.
        """
        self._name = f"{setting}: {base_url}, model {server.model}"
        self._api_key_env = server.api_key_env
        self._timeout_s = server.timeout_s
        self.limiter = AdaptiveLimiter(server.concurrency)
        self._policy = policy
        self._read = read
        self._setup_error: SetupError | None = None  # repeated to every request after the first
        self._undelivered = 0  # the latest requests in a row
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._session = aiohttp.ClientSession(
            headers=_headers(server.api_key_env),
            connector=aiohttp.TCPConnector(
                limit=0,  # the limiter limits
                keepalive_timeout=_KEEPALIVE_S,
                ssl=ssl.create_default_context() if self._url.startswith("https:") else True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy_for(self._url),
            timeout=aiohttp.ClientTimeout(total=server.timeout_s),
        )
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(_Transient),
            stop=stop_after_attempt(policy.attempts),
            wait=self._wait_s,
            reraise=True,
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def ask(self, data: bytes, before_attempt: Callable[[], None] | None = None) -> _R:
        """The parsed reply to a request; `data` is its body and is sent as it is.

        `before_attempt` runs in the request's slot before each attempt, and may raise. Raises
        NoReply, or SetupError when only the user can fix it (401, 402, 403, 404, quota).
        """
        if self._undelivered >= GIVE_UP_AFTER:
            raise NotSent(f"{GIVE_UP_AFTER} questions in a row had no answer")
        try:
            try:
                reply = await self._attempt(data, before_attempt)
            except _Transient as error:
                reply = await self._retry(error, data, before_attempt)
        except _Transient as error:
            self._undelivered += 1
            raise Undelivered(str(error)) from None
        self._undelivered = 0
        return reply

    async def _retry(
        self, failure: _Transient, data: bytes, before_attempt: Callable[[], None] | None
    ) -> _R:
        """The reply of a later attempt; `failure` is the outcome of attempt 1."""
        async for attempt in self._retrying.copy():  # its state belongs to one request
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise failure
                return await self._attempt(data, before_attempt)
        raise failure  # never reached: the last attempt's error is raised

    async def _attempt(self, data: bytes, before_attempt: Callable[[], None] | None) -> _R:
        async with self.limiter.slot():
            if self._setup_error is not None:
                raise self._setup_error
            if before_attempt is not None:
                before_attempt()
            try:
                async with self._session.post(
                    self._url,
                    data=data,
                    allow_redirects=False,  # the key goes only where the settings say
                ) as response:
                    raw = await response.read()
                if response.status // 100 != 2:
                    retry_after = response.headers.get("retry-after")
                    text = raw.decode(errors="replace")
                    raise self._http_error(response.status, text, retry_after)
                reply = self._read(raw)
            except TimeoutError:
                raise _Transient(f"no reply within {self._timeout_s:g} s") from None
            except ErrorReply as error:
                raise self._http_error(error.status, error.body, None) from None
            except Unintelligible as error:
                raise _Transient(str(error)) from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _Transient(type(error).__name__) from None
            self.limiter.record_reply()
            return reply

    def _wait_s(self, state: RetryCallState) -> float:
        """Before the next attempt: the server's Retry-After, or exponential with full jitter."""
        error = state.outcome.exception() if state.outcome else None
        retry_after_s = error.retry_after_s if isinstance(error, _Transient) else None
        backoff_s = self._policy.first_wait_s * 2.0 ** (state.attempt_number - 1)
        jitter_s = random.uniform(0, backoff_s)
        wait_s = jitter_s if retry_after_s is None else retry_after_s + 0.1 * jitter_s
        return min(self._policy.longest_wait_s, wait_s)

    def _http_error(self, status: int, text: str, retry_after: str | None) -> Exception:
        """The error of an HTTP status. Never quotes the server on keys: it may echo the key."""
        if (
            300 <= status < 400
            or status in (401, 402, 403, 404)
            or (status == 429 and _QUOTA.search(text))
        ):
            self._setup_error = self._setup_fault(status)
            return self._setup_error
        if status == 429:
            self.limiter.record_throttling()
        if status < 400 or status in (408, 409, 425, 429) or (status >= 500 and status != 501):
            return _Transient(f"HTTP {status}", _seconds(retry_after))
        self.limiter.record_reply()
        return _rejection(status, text)

    def _setup_fault(self, status: int) -> SetupError:
        if status == 404 or status < 400:
            way_out = "the server knows neither address nor model; fix base_url or model"
        elif status in (402, 429):
            way_out = "the quota is spent; add to it, or take another server"
        else:
            key = self._api_key_env
            state = "is set" if os.environ.get(key) else "is not set"
            way_out = f"the key was refused; {key} {state} in the environment"
        return SetupError(f"{self._name}: HTTP {status}: {way_out}")


def _headers(api_key_env: str) -> dict[str, str]:
    """The openai client's headers, without its telemetry (x-stainless-*).

    Organisation, project and custom headers come from the openai client's environment variables.
    """
    headers = {
        "accept": "application/json",
        "content-type": "application/json",
        "authorization": f"Bearer {os.environ.get(api_key_env) or 'none'}",
        "openai-organization": os.environ.get("OPENAI_ORG_ID", ""),
        "openai-project": os.environ.get("OPENAI_PROJECT_ID", ""),
    }
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return {name: value for name, value in headers.items() if name and value}


def _rejection(status: int, text: str) -> Rejected:
    if status == 413 or _OVERFLOW.search(text):
        return ContextOverflow(f"HTTP {status}")
    if "content_filter" in text:
        return ContentFiltered(f"HTTP {status}")
    return BadRequest(f"HTTP {status}")


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:  # absent, or a date
        return None
    return seconds if 0 <= seconds < float("inf") else None
