"""Brings one request to a server and its reply back, whatever goes wrong between.

Retries what may pass, stops at once at what only the user can mend, and slows down when told to.
Knows HTTP; nothing of what is asked.
"""

import asyncio
import os
import random
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import aiohttp
import httpx2
from openai import AsyncOpenAI
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from config.errors import SetupError
from wire.completion import Unintelligible
from wire.limiter import AdaptiveLimiter
from wire.proxy import proxy_for

GIVE_UP = 20  # requests in a row that stay undelivered before the rest is no longer sent
_IDLE_S = 4.0  # after which we close a connection; vLLM does after 5, and would cut a request off

_OVERFLOW = re.compile(
    r"context.?length|maximum model length|max_model_len|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)

_R = TypeVar("_R")

# not_run: whoever asked wanted no request sent
Loss = Literal["transport", "overflow", "refused", "budget", "not_run"]


@dataclass(frozen=True)
class Address:
    """A server that speaks the OpenAI protocol, and how it is to be asked."""

    setting: str  # that names it: where a user mends what is wrong
    base_url: str
    model: str
    api_key_env: str  # name of the environment variable that holds the key
    concurrency: int  # requests in flight at most
    timeout_s: float

    def __str__(self) -> str:
        return f"{self.base_url}, model {self.model}"


@dataclass(frozen=True)
class RetryPolicy:
    """How long a request is tried."""

    attempts: int = 6
    first_wait_s: float = 0.5  # doubles with each attempt, with full jitter
    longest_wait_s: float = 30.0  # also the most that a server's Retry-After is heeded


class Unanswered(Exception):
    """No reply, and no sense in asking on."""

    def __init__(
        self, reason: Loss, message: str, rejected: bool = False, unsent: bool = False
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.rejected = rejected  # the server was there and refused the request as such
        self.unsent = unsent  # nobody tried to deliver it


class _Passing(Exception):
    """A fault that may pass."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s  # as the server asked


class ServerClient(Generic[_R]):
    """One server. To be made and used inside one event loop."""

    def __init__(
        self, address: Address, patience: RetryPolicy, read: Callable[[bytes], _R]
    ) -> None:
        """`read` makes of a body what is wanted of it, or raises Unintelligible."""
        self.address = address
        self._patience = patience
        self._read = read
        self.gate = AdaptiveLimiter(address.concurrency)
        self._refused: SetupError | None = None  # what only the user can mend, once it was said
        self._lost = 0  # of the latest requests, those undelivered in a row
        self._url, headers = _addressed(address)
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(
                limit=0,  # the gate limits
                keepalive_timeout=_IDLE_S,
                ssl=_trusted(self._url),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy_for(self._url),
            timeout=aiohttp.ClientTimeout(total=address.timeout_s),
        )
        again = AsyncRetrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(patience.attempts - 1),
            wait=lambda state: self._pause_s(state.attempt_number + 1, _error(state)),
            reraise=True,
        )
        self._retried = again.wraps(self._admitted)

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def ask(self, data: bytes, before: Callable[[], None] | None = None) -> _R:
        """What was read of the reply to a request's body, which goes as it is.

        `before` is called before each attempt, when no other request is let past, and may raise.
        Raises Unanswered when there is no reply, SetupError when only the user can mend it (401,
        403, 404, quota).
        """
        if self._lost >= GIVE_UP:
            raise Unanswered(
                "transport", f"{GIVE_UP} questions in a row had no answer", unsent=True
            )
        try:
            reply = await self._tried(data, before)
        except _Passing as error:
            self._lost += 1
            raise Unanswered("transport", str(error)) from None
        self._lost = 0
        return reply

    async def _tried(self, data: bytes, before: Callable[[], None] | None) -> _R:
        # the first attempt by hand: tenacity's bookkeeping costs as much as a request itself
        try:
            return await self._admitted(data, before)
        except _Passing as error:
            if self._patience.attempts == 1:
                raise
            await asyncio.sleep(self._pause_s(1, error))
        return await self._retried(data, before)

    def _pause_s(self, attempt: int, error: BaseException | None) -> float:
        """Until the next attempt: what the server asked for, or a random share of 2ⁿ."""
        longest = self._patience.longest_wait_s
        jitter = random.uniform(0, self._patience.first_wait_s * 2.0 ** (attempt - 1))
        asked = error.wait_s if isinstance(error, _Passing) else None
        return min(longest, jitter if asked is None else asked + 0.1 * jitter)

    async def _admitted(self, data: bytes, before: Callable[[], None] | None) -> _R:
        async with self.gate.inside():
            if self._refused is not None:  # those behind it at the gate need not hear it again
                raise self._refused
            if before is not None:
                before()
            return await self._once(data)

    async def _once(self, data: bytes) -> _R:
        """One attempt: the bytes go as they are, the reply comes as bytes."""
        try:
            async with self._session.post(
                self._url,
                data=data,
                allow_redirects=False,  # the key goes where the settings say
            ) as response:
                raw = await response.read()
            if response.status // 100 != 2:
                wait = response.headers.get("retry-after")
                raise self._status(response.status, raw.decode(errors="replace"), wait)
            reply = self._read(raw)
        except TimeoutError:
            raise _Passing(f"no reply within {self.address.timeout_s:g} s") from None
        except Unintelligible as error:
            raise _Passing(str(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Passing(type(error).__name__) from None
        self.gate.answered()
        return reply

    def _status(self, code: int, said: str, wait: str | None) -> Exception:
        """What an HTTP status means. Never quotes the server on keys: it may echo the key."""
        if (
            300 <= code < 400
            or code in (401, 402, 403, 404)
            or (code == 429 and _QUOTA.search(said))
        ):
            self._refused = self._unmendable(code)
            return self._refused
        if code == 429:
            self.gate.throttled()
        if code < 400 or code in (408, 409, 425, 429) or (code >= 500 and code != 501):
            return _Passing(f"HTTP {code}", _seconds(wait))
        self.gate.answered()
        if code == 413 or _OVERFLOW.search(said):
            return Unanswered("overflow", f"HTTP {code}", rejected=True)
        if "content_filter" in said:
            return Unanswered("refused", f"HTTP {code}", rejected=True)
        return Unanswered("transport", f"HTTP {code}", rejected=True)

    def _unmendable(self, code: int) -> SetupError:
        if code == 404 or code < 400:
            way_out = "the server knows neither address nor model; mend base_url or model"
        elif code in (402, 429):
            way_out = "the quota is spent; add to it, or take another server"
        else:
            name = self.address.api_key_env
            state = "is set" if os.environ.get(name) else "is not set"
            way_out = f"the key was refused; {name} {state} in the environment"
        return SetupError(f"{self.address.setting}: {self.address}: HTTP {code}: {way_out}")


def _addressed(address: Address) -> tuple[str, dict[str, str]]:
    """Where a chat completion is asked for, and with which headers: as the openai client says.

    It knows what the environment adds to them (organisation, project, headers of the user's own).
    It sends nothing: its way to the wire and back takes more CPU time than all else that we do.
    """
    client = AsyncOpenAI(
        base_url=address.base_url,
        api_key=os.environ.get(address.api_key_env) or "none",  # local servers want no key
        http_client=httpx2.AsyncClient(transport=httpx2.AsyncBaseTransport()),  # which cannot send
    )
    headers = (*client.auth_headers.items(), *client.default_headers.items())  # the later counts
    said = {name.lower(): value for name, value in headers if isinstance(value, str)}
    return f"{client.base_url}chat/completions", said


def _trusted(url: str) -> ssl.SSLContext | bool:
    """Whose certificates count: as for the openai client. True: no matter, nothing is encrypted."""
    return httpx2.create_ssl_context() if url.startswith("https:") else True


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:  # absent, or a date
        return None
    return seconds if 0 <= seconds < float("inf") else None
