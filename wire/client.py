"""Sends requests to one OpenAI-compatible server, with retries, and parses the replies.

Transient faults are retried, faults that only the user can fix stop at once, HTTP 429 lowers the
number of requests in flight. Knows HTTP and nothing of prompts.
"""

import json
import os
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from config.backends import OpenAiBackend
from config.errors import SetupError
from config.judging import ServerSettings
from wire.bounded_body import MOST_BYTES, BodyTooLarge, read_body
from wire.completion import ErrorReply, Unintelligible
from wire.http_error import HttpFault, http_fault, way_out
from wire.limiter import AdaptiveLimiter
from wire.no_reply import (
    BadRequest,
    ContentFiltered,
    ContextOverflow,
    Forbidden,
    NotSent,
    Rejected,
    Undelivered,
    Unreached,
)
from wire.proxy import proxy_for
from wire.server_words import error_words, quoted

GIVE_UP_AFTER = 20  # undelivered requests in a row, after which no more are sent; HTTP 403 likewise
FIRST_REFUSALS = 3  # before any reply, after which the server is taken to refuse every request
_KEEPALIVE_S = 4.0  # vLLM closes idle connections after 5 s and would cut a request off

_REJECTIONS: dict[HttpFault, type[Rejected]] = {
    "overflow": ContextOverflow,
    "filtered": ContentFiltered,
    "bad": BadRequest,
}

_R = TypeVar("_R")


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how fast a request is retried."""

    attempts: int = 6
    first_wait_s: float = 0.5  # doubles with each attempt, with full jitter
    longest_wait_s: float = 30.0  # also caps the server's Retry-After


class _Transient(Exception):
    """A fault worth a retry."""

    def __init__(
        self, message: str, retry_after_s: float | None = None, reached: bool = True
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.reached = reached  # whether there was a connection to the server


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
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`setting` names the server in error lines; `base_url` is one of the server's.

        `read` parses a response's body, or raises Unintelligible. Of a body no more than
        `most_bytes` are read, unpacked.
        """
        self._name = f"{setting}: {quoted(base_url)}, model {server.model}"
        self._setting = setting
        self._api_key_env = server.api_key_env
        self._secret = os.environ.get(server.api_key_env, "")
        self._timeout_s = server.timeout_s
        self.limiter = AdaptiveLimiter(server.concurrency)
        self._policy = policy
        self._read = read
        self._most_bytes = most_bytes
        self._setup_error: SetupError | None = None  # repeated to every request after the first
        self._undelivered = 0  # the latest requests in a row
        self._forbidden = 0  # the latest HTTP 403 in a row, without words
        self._accepted = False  # whether any request had a reply
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
        NoReply, or SetupError when only the user can fix it: key, quota, address, model, or a
        parameter that the server does not support.
        """
        if self._undelivered >= GIVE_UP_AFTER:
            raise NotSent(f"{GIVE_UP_AFTER} questions in a row had no answer")
        try:
            try:
                reply = await self._attempt(data, before_attempt)
            except _Transient as error:
                reply = await self._retry(error, data, before_attempt)
        except BodyTooLarge as error:  # as large again, if asked for again
            self._undelivered += 1
            raise Undelivered(str(error)) from None
        except _Transient as error:
            self._undelivered += 1
            kind = Undelivered if error.reached else Unreached
            raise kind(str(error)) from None
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
                reply = self._read(await self._post(data))
            except ErrorReply as error:
                raise self._error(error, data) from None
            except Unintelligible as error:
                raise _Transient(quoted(str(error), self._secret)) from None
            self._accepted, self._forbidden = True, 0
            self.limiter.record_reply()
            return reply

    async def _post(self, data: bytes) -> bytes:
        """The body of the response. Raises ErrorReply, BodyTooLarge or _Transient."""
        try:
            async with self._session.post(
                self._url,
                data=data,
                allow_redirects=False,  # the key goes only where the settings say
            ) as response:
                raw = await read_body(response, self._most_bytes)
        except TimeoutError:
            raise _Transient(f"no reply within {self._timeout_s:g} s") from None
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            cause = f"no connection: {quoted(str(error), self._secret)}"
            raise _Transient(cause, reached=False) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Transient(f"no whole HTTP response ({type(error).__name__})") from None
        if response.status // 100 != 2:
            http_error = ErrorReply(response.status, raw.decode(errors="replace"), inside=False)
            http_error.retry_after_s = _seconds(response.headers.get("retry-after"))
            raise http_error
        return raw

    def _wait_s(self, state: RetryCallState) -> float:
        """Before the next attempt: the server's Retry-After, or exponential with full jitter."""
        error = state.outcome.exception() if state.outcome else None
        retry_after_s = error.retry_after_s if isinstance(error, _Transient) else None
        backoff_s = self._policy.first_wait_s * 2.0 ** (state.attempt_number - 1)
        jitter_s = random.uniform(0, backoff_s)
        wait_s = jitter_s if retry_after_s is None else retry_after_s + 0.1 * jitter_s
        return min(self._policy.longest_wait_s, wait_s)

    def _error(self, error: ErrorReply, data: bytes) -> Exception:
        """What a server's error means for the request with the body `data`."""
        fields = frozenset(json.loads(data))
        fault = http_fault(error.status, error.body, fields)
        words = error_words(error.body, self._secret).rstrip(". ")
        message = f"{error}: {words}" if words else str(error)
        if fault in ("transient", "throttled"):
            if fault == "throttled":
                self.limiter.record_throttling()
            return _Transient(message, error.retry_after_s)
        if fault == "forbidden" and self._may_be_of_the_row():
            return Forbidden(message, error.status)
        if self._accepted or fault != "bad":  # else the settings may be at fault, in every request
            self.limiter.record_reply()
        if fault in _REJECTIONS or (fault == "limit" and self._accepted):
            return _REJECTIONS.get(fault, BadRequest)(message, error.status)
        if fault == "key":
            fix = self._key_way_out()
        else:
            fix = way_out(fault, self._setting, error.body, fields)
        self._setup_error = SetupError(f"{self._name}: {message}: {fix}")
        return self._setup_error

    def _may_be_of_the_row(self) -> bool:
        """Whether an HTTP 403 without words may be the fault of one request. Counts it.

        Before the first reply one request is sent at a time, so that few of them are refused.
        """
        self._forbidden += 1
        return self._forbidden < (GIVE_UP_AFTER if self._accepted else FIRST_REFUSALS)

    def _key_way_out(self) -> str:
        state = "is set" if self._secret else "is not set"
        return f"the key was refused; {self._api_key_env} {state} in the environment"


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


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:  # absent, or a date
        return None
    return seconds if 0 <= seconds < float("inf") else None
