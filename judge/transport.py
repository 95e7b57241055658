"""Brings one request to the server and its reply back, whatever goes wrong between.

Retries what may pass, stops at once at what only the user can mend, slows down when told to, and
spends no more than it may. Knows HTTP; nothing of rules and verdicts.
"""

import asyncio
import os
import random
import re
import ssl
from dataclasses import dataclass

import aiohttp
import httpx2
from openai import AsyncOpenAI
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from config.errors import ConfigError, SetupError
from config.schema import JudgeSettings, Prices, ServerSettings
from judge.completion import Reply, Unintelligible, read_completion
from judge.gate import Gate
from judge.proxy import proxy_for
from judge.questions import Request
from judge.verdicts import Missing

GIVE_UP = 20  # questions in a row that stay undelivered before the rest is no longer asked
BYTES = 4  # to a token, where nobody has counted: an estimate; a Russian letter has two
_IDLE_S = 4.0  # after which we close a connection; vLLM does after 5, and would cut a request off

_OVERFLOW = re.compile(
    r"context.?length|maximum model length|max_model_len|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)


@dataclass(frozen=True)
class Patience:
    """How long a request is tried."""

    attempts: int = 6
    first_wait_s: float = 0.5  # doubles with each attempt, with full jitter
    longest_wait_s: float = 30.0  # also the most that a server's Retry-After is heeded


@dataclass
class Spent:
    """What was asked of a server, and what it took."""

    prices: Prices | None
    calls: int = 0  # questions put to the server, the probe's among them; a retry is no new call
    unasked: int = 0  # questions that the limits kept from it
    prompt_tokens: int = 0  # as the server counts, or estimated where it does not
    completion_tokens: int = 0

    @property
    def cost(self) -> float | None:
        """What the replies have cost; None when nobody has said what a token costs."""
        prices = self.prices
        return prices.cost(self.prompt_tokens, self.completion_tokens) if prices else None


@dataclass(frozen=True)
class Limits:
    """What may be spent in one go; None: no limit."""

    calls: int | None = None
    cost: float | None = None  # what is under way when it is reached is still paid


def limits_of(settings: JudgeSettings, server: ServerSettings | None) -> Limits:
    """The settings' limits.

    Raises ConfigError when the cost is limited and nobody has said what a token costs.
    """
    if settings.max_cost is not None and (server is None or server.price_per_million is None):
        raise ConfigError(
            f"judge.max_cost = {settings.max_cost:g}: no prices to count with; add "
            "judge.llm.price_per_million: {prompt: …, completion: …}, or limit --max-calls"
        )
    return Limits(settings.max_calls, settings.max_cost)


class Unanswered(Exception):
    """No reply, and no sense in asking on."""

    def __init__(self, reason: Missing, message: str, rejected: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.rejected = rejected  # the server was there and refused the request as such


class _Passing(Exception):
    """A fault that may pass."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s  # as the server asked


class Transport:
    """One server. To be made and used inside one event loop."""

    def __init__(
        self, server: ServerSettings, patience: Patience, limits: Limits, spent: Spent
    ) -> None:
        """`spent` goes on counting, and the limits hold for all of it."""
        self._server = server
        self.where = f"{server.base_url}, model {server.model}"
        self._patience = patience
        self._limits = limits
        self._spent = spent
        self.gate = Gate(server.concurrency)
        self._refused: SetupError | None = None  # what only the user can mend, once it was said
        self._lost = 0  # of the latest questions, those undelivered in a row
        self._url, headers = _addressed(server)
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(
                limit=0,  # the gate limits
                keepalive_timeout=_IDLE_S,
                ssl=_trusted(self._url),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy_for(self._url),
            timeout=aiohttp.ClientTimeout(total=server.timeout_s),
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

    async def ask(self, request: Request) -> Reply:
        """The reply to a request.

        Raises Unanswered when there is none, SetupError when only the user can mend it (401, 403,
        404, quota).
        """
        most = self._limits.calls
        if most is not None and self._spent.calls >= most:
            self._spent.unasked += 1
            raise Unanswered("budget", f"judge.max_calls = {most} are spent")
        if self._lost >= GIVE_UP:
            raise Unanswered("transport", f"{GIVE_UP} questions in a row had no answer")
        self._spent.calls += 1
        try:
            reply = await self._tried(request)
        except _Passing as error:
            self._lost += 1
            raise Unanswered("transport", str(error)) from None
        except Unanswered as error:
            unsent = error.reason == "budget"
            self._spent.calls -= unsent
            self._spent.unasked += unsent
            raise
        self._lost = 0
        self._spent.prompt_tokens += reply.prompt_tokens or estimated_tokens(request)
        self._spent.completion_tokens += (
            reply.completion_tokens or len(reply.text.encode()) // BYTES
        )
        return reply

    async def _tried(self, request: Request) -> Reply:
        # the first attempt by hand: tenacity's bookkeeping costs as much as a request itself
        try:
            return await self._admitted(request)
        except _Passing as error:
            if self._patience.attempts == 1:
                raise
            await asyncio.sleep(self._pause_s(1, error))
        return await self._retried(request)

    def _pause_s(self, attempt: int, error: BaseException | None) -> float:
        """Until the next attempt: what the server asked for, or a random share of 2ⁿ."""
        longest = self._patience.longest_wait_s
        jitter = random.uniform(0, self._patience.first_wait_s * 2.0 ** (attempt - 1))
        asked = error.wait_s if isinstance(error, _Passing) else None
        return min(longest, jitter if asked is None else asked + 0.1 * jitter)

    async def _admitted(self, request: Request) -> Reply:
        async with self.gate.inside():
            if self._refused is not None:  # those behind it at the gate need not hear it again
                raise self._refused
            most = self._limits.cost  # looked at here, where no other request is let past
            if most is not None and (self._spent.cost or 0.0) >= most:
                raise Unanswered("budget", f"judge.max_cost = {most:g} is spent")
            return await self._once(request)

    async def _once(self, request: Request) -> Reply:
        """One attempt: the bytes go as they were hashed, the reply comes as bytes."""
        try:
            async with self._session.post(
                self._url,
                data=request.data,
                allow_redirects=False,  # the key goes where the settings say
            ) as response:
                raw = await response.read()
            if response.status // 100 != 2:
                wait = response.headers.get("retry-after")
                raise self._status(response.status, raw.decode(errors="replace"), wait)
            reply = read_completion(raw)
        except TimeoutError:
            raise _Passing(f"no reply within {self._server.timeout_s:g} s") from None
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
        server = self._server
        if code == 404 or code < 400:
            way_out = "the server knows neither address nor model; mend base_url or model"
        elif code in (402, 429):
            way_out = "the quota is spent; add to it, or judge with another server"
        else:
            state = "is set" if os.environ.get(server.api_key_env) else "is not set"
            way_out = f"the key was refused; {server.api_key_env} {state} in the environment"
        return SetupError(f"judge.llm: {self.where}: HTTP {code}: {way_out}")


def _addressed(server: ServerSettings) -> tuple[str, dict[str, str]]:
    """Where a chat completion is asked for, and with which headers: as the openai client says.

    It knows what the environment adds to them (organisation, project, headers of the user's own).
    It sends nothing: its way to the wire and back takes more CPU time than all else that we do.
    """
    client = AsyncOpenAI(
        base_url=server.base_url,
        api_key=os.environ.get(server.api_key_env) or "none",  # local servers want no key
        http_client=httpx2.AsyncClient(transport=httpx2.AsyncBaseTransport()),  # which cannot send
    )
    headers = (*client.auth_headers.items(), *client.default_headers.items())  # the later counts
    said = {name.lower(): value for name, value in headers if isinstance(value, str)}
    return f"{client.base_url}chat/completions", said


def _trusted(url: str) -> ssl.SSLContext | bool:
    """Whose certificates count: as for the openai client. True: no matter, nothing is encrypted."""
    return httpx2.create_ssl_context() if url.startswith("https:") else True


def estimated_tokens(request: Request) -> int:
    """Tokens of a request's messages, by their bytes in UTF-8."""
    return sum(len(message["content"].encode()) for message in request.body["messages"]) // BYTES


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:  # absent, or a date
        return None
    return seconds if 0 <= seconds < float("inf") else None
