"""Brings one request to the server and its reply back, whatever goes wrong between.

Retries what may pass, stops at once at what only the user can mend, slows down when told to. Knows
HTTP and the openai client; nothing of rules and verdicts.
"""

import asyncio
import os
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from openai import APIError, APIStatusError, AsyncOpenAI
from openai.types.chat import ChatCompletion
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from config.errors import SetupError
from config.schema import ServerSettings
from judge.questions import Body
from judge.verdicts import Missing

GIVE_UP = 20  # questions in a row that stay undelivered before the rest is no longer asked

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


class Reply(NamedTuple):
    """What the server said; `finish` has to be read before the text."""

    text: str
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


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


class Gate:
    """Lets so many requests through at a time: fewer after each 429, slowly more after that.

    Starts with one, so that a wrong key costs one request and not a burst.
    """

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = 1.0
        self._inside = 0
        self._changed = asyncio.Condition()
        self._opened = False

    @property
    def limit(self) -> int:
        """Requests that may be under way at present."""
        return max(1, int(self._limit))

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        """Waits for a place and holds it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._inside < self.limit)
            self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            async with self._changed:
                self._changed.notify_all()

    def answered(self) -> None:
        """A reply came."""
        self._limit = min(self._most, self._limit + 1 / self._limit) if self._opened else self._most
        self._opened = True

    def throttled(self) -> None:
        """The server said 429."""
        self._limit = max(1.0, self._limit * 0.8)
        self._opened = True


class Transport:
    """One server. To be used inside one event loop."""

    def __init__(self, server: ServerSettings, patience: Patience, max_calls: int | None) -> None:
        self._server = server
        self.where = f"{server.base_url}, model {server.model}"
        self._patience = patience
        self._max_calls = max_calls
        self.gate = Gate(server.concurrency)
        self.calls = 0  # questions put to the server; a retry of one is no new call
        self._lost = 0  # of the latest questions, those undelivered in a row
        self._client = AsyncOpenAI(
            base_url=server.base_url,
            api_key=os.environ.get(server.api_key_env) or "none",  # local servers want no key
            max_retries=0,  # tenacity retries, and counts
            timeout=server.timeout_s,
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def ask(self, body: Body) -> Reply:
        """The reply to a request.

        Raises Unanswered when there is none, SetupError when only the user can mend it (401, 403,
        404, quota).
        """
        if self._max_calls is not None and self.calls >= self._max_calls:
            raise Unanswered("budget", f"judge.max_calls = {self._max_calls} are spent")
        if self._lost >= GIVE_UP:
            raise Unanswered("transport", f"{GIVE_UP} questions in a row had no answer")
        self.calls += 1
        try:
            reply = await self._retried(body)
        except _Passing as error:
            self._lost += 1
            raise Unanswered("transport", str(error)) from None
        self._lost = 0
        return reply

    async def _retried(self, body: Body) -> Reply:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(self._patience.attempts),
            wait=self._wait,
            reraise=True,
        ):
            with attempt:
                async with self.gate.inside():
                    return await self._once(body)
        raise AssertionError("tenacity ends by returning or raising")

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: what the server asked for, or a random share of 2ⁿ."""
        longest = self._patience.longest_wait_s
        jitter = random.uniform(0, self._patience.first_wait_s * 2.0 ** (state.attempt_number - 1))
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait_s if isinstance(error, _Passing) else None
        return min(longest, jitter if asked is None else asked + 0.1 * jitter)

    async def _once(self, body: Body) -> Reply:
        try:
            async with asyncio.timeout(self._server.timeout_s):  # httpx2 limits single reads only
                found = await cast(Any, self._client.chat.completions).create(**body)
            reply = _reply(found)
        except APIStatusError as error:
            raise self._status(error) from None
        except TimeoutError:
            raise _Passing(f"no reply within {self._server.timeout_s:g} s") from None
        except (APIError, ValueError) as error:  # ValueError: a body that is no JSON
            raise _Passing(f"{type(error).__name__}") from None
        self.gate.answered()
        return reply

    def _status(self, error: APIStatusError) -> Exception:
        """What an HTTP status means. Never quotes the server on keys: it may echo the key."""
        code, said = error.status_code, str(error.body)
        if code in (401, 402, 403, 404) or (code == 429 and _QUOTA.search(said)):
            return self._unmendable(code)
        if code == 429:
            self.gate.throttled()
        if code in (408, 409, 425, 429) or (code >= 500 and code != 501):
            return _Passing(f"HTTP {code}", _retry_after(error))
        self.gate.answered()
        if code == 413 or _OVERFLOW.search(said):
            return Unanswered("overflow", f"HTTP {code}", rejected=True)
        if "content_filter" in said:
            return Unanswered("refused", f"HTTP {code}", rejected=True)
        return Unanswered("transport", f"HTTP {code}", rejected=True)

    def _unmendable(self, code: int) -> SetupError:
        server = self._server
        if code == 404:
            way_out = "the server knows neither address nor model; mend base_url or model"
        elif code in (402, 429):
            way_out = "the quota is spent; add to it, or judge with another server"
        else:
            state = "is set" if os.environ.get(server.api_key_env) else "is not set"
            way_out = f"the key was refused; {server.api_key_env} {state} in the environment"
        return SetupError(f"judge.llm: {self.where}: HTTP {code}: {way_out}")


def _reply(found: object) -> Reply:
    if not isinstance(found, ChatCompletion) or not found.choices:
        raise _Passing("the reply holds no choices")
    choice = found.choices[0]
    if choice.message is None:
        raise _Passing("the reply holds no message")
    refused = bool(getattr(choice.message, "refusal", None))
    usage = found.usage
    return Reply(
        text=choice.message.content or "",
        finish="content_filter" if refused else (choice.finish_reason or "stop"),
        prompt_tokens=(usage.prompt_tokens or 0) if usage else 0,
        completion_tokens=(usage.completion_tokens or 0) if usage else 0,
    )


def _retry_after(error: APIStatusError) -> float | None:
    try:
        seconds = float(error.response.headers.get("retry-after", ""))
    except ValueError:  # absent, or a date
        return None
    return seconds if 0 <= seconds < float("inf") else None
