"""The backend for OpenAI-compatible servers: one model at one or several URLs, used in turn."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from config.backends import OpenAiBackend
from config.errors import SetupError, UnpromptedError
from engine.base import Completion, Request
from engine.openai_messages import ChatCodec
from engine.refused_rows import RefusedRequest, RefusedRows
from wire.bounded_body import MOST_BYTES
from wire.client import RetryPolicy, ServerClient
from wire.completion import ChatCompletion
from wire.no_reply import ContentFiltered, ContextOverflow, NoReply, Rejected
from wire.server_words import quoted

_SETTING = "teacher.engine"
_ASKED = 2  # times: an answer that no file can store is asked for again once
_MOST_BYTES_WITH_TOKENS = 256 * 2**20  # of a reply: 100,000 tokens with 25 logprobs of 100 bytes

_Clients = Sequence[ServerClient[ChatCompletion]]
_Outcome = Completion | RefusedRequest
_Tasks = set[asyncio.Task[_Outcome]]


class OpenAiEngine:
    """One model at one or several URLs. Keeps nothing between two runs."""

    def __init__(
        self,
        settings: OpenAiBackend,
        codec: ChatCodec,
        max_length: int,
        retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    ) -> None:
        """`max_length` in tokens of the base."""
        self._settings = settings
        self._codec = codec
        self.identity = codec.identity
        self.max_length = max_length
        self._retry_policy = retry_policy

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions in the order in which they arrive.

        When no server answers a request, it sends no more, yields the completions in flight, and
        raises SetupError. A request that is refused for its own text gets an empty completion, once
        a server accepts another one.
        """
        waiting: Iterator[tuple[int, Request]] = enumerate(requests)
        max_in_flight = self._settings.concurrency * len(self._settings.base_urls)
        failure: UnpromptedError | None = None
        in_flight: _Tasks = set()
        refused = RefusedRows()
        with asyncio.Runner() as runner:
            clients = runner.run(self._open_clients())
            try:
                while True:
                    for number, request in islice(waiting, max_in_flight - len(in_flight)):
                        task = self._complete(clients, request, number)
                        in_flight.add(runner.get_loop().create_task(task))
                    if not in_flight or refused.refuses_all:
                        break
                    first = asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                    done, in_flight = runner.run(first)
                    for finished in done:
                        try:
                            outcome = finished.result()
                            if isinstance(outcome, RefusedRequest):
                                refused.add(outcome)
                            else:
                                yield from refused.on_accepted()
                                yield outcome
                        except UnpromptedError as error:
                            failure, waiting = failure or error, iter(())
            finally:
                runner.run(_close(clients, in_flight))
        if failure is not None:
            raise failure
        yield from refused.released()
        refused.report()

    def close(self) -> None:
        """Nothing to free: connections end with each run."""

    async def _open_clients(self) -> list[ServerClient[ChatCompletion]]:
        settings, policy = self._settings, self._retry_policy
        most_bytes = _MOST_BYTES_WITH_TOKENS if settings.same_tokenizer else MOST_BYTES
        return [
            ServerClient(_SETTING, url, settings, policy, self._codec.parse, most_bytes)
            for url in settings.base_urls
        ]

    async def _complete(self, clients: _Clients, request: Request, number: int) -> _Outcome:
        body = json.dumps(self._codec.body(request), ensure_ascii=False).encode(errors="replace")
        try:
            for _ in range(_ASKED):
                reply = await _first_reply(clients, body, number)
                if self._codec.is_storable(reply):
                    return self._codec.completion(request, reply)
        except ContentFiltered:
            return self._codec.filtered(request)
        except ContextOverflow as error:
            way_out = "a prompt is too long for the server; lower model.max_length"
            return RefusedRequest(self._codec.too_long(request), self._failure(error, way_out))
        except Rejected as error:
            failure = self._failure(error, "change what it names and run again")
            return RefusedRequest(
                self._codec.filtered(request), failure, at_once=error.status == 400
            )
        except NoReply as error:
            raise self._failure(error, "check the server and run again") from None
        half = NoReply("an answer holds half a character (a lone surrogate)")
        return RefusedRequest(
            self._codec.filtered(request), self._failure(half, "take another server")
        )

    def _failure(self, error: NoReply, way_out: str) -> SetupError:
        servers = ", ".join(map(quoted, self._settings.base_urls))
        ending = "" if isinstance(error, ContextOverflow) else ", finished answers are kept"
        return SetupError(
            f"{_SETTING}: {servers}, model {self._settings.model}: {error}: {way_out}{ending}"
        )


async def _first_reply(clients: _Clients, body: bytes, number: int) -> ChatCompletion:
    """The reply of the server whose turn it is, or of the first one after it that replies."""
    for turn in range(len(clients)):
        try:
            return await clients[(number + turn) % len(clients)].ask(body)
        except NoReply as error:
            if isinstance(error, Rejected) or turn == len(clients) - 1:
                raise
    raise AssertionError("a backend has one URL at least")


async def _close(clients: _Clients, in_flight: _Tasks) -> None:
    for task in in_flight:
        task.cancel()
    await asyncio.gather(*in_flight, return_exceptions=True)
    for client in clients:
        await client.close()
