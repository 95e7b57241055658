"""The backend for OpenAI-compatible servers: one model at one or several URLs, used in turn."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from config.backends import OpenAiBackend
from config.errors import SetupError, UnpromptedError
from engine.base import Completion, Request
from engine.openai_messages import ChatCodec
from wire.client import RetryPolicy, ServerClient
from wire.completion import ChatCompletion
from wire.no_reply import ContentFiltered, ContextOverflow, NoReply, Rejected
from wire.server_words import quoted

_SETTING = "teacher.engine"

_Clients = Sequence[ServerClient[ChatCompletion]]
_Tasks = set[asyncio.Task[Completion]]


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
        raises SetupError.
        """
        waiting: Iterator[tuple[int, Request]] = enumerate(requests)
        max_in_flight = self._settings.concurrency * len(self._settings.base_urls)
        failure: UnpromptedError | None = None
        in_flight: _Tasks = set()
        with asyncio.Runner() as runner:
            clients = runner.run(self._open_clients())
            try:
                while True:
                    for number, request in islice(waiting, max_in_flight - len(in_flight)):
                        task = self._complete(clients, request, number)
                        in_flight.add(runner.get_loop().create_task(task))
                    if not in_flight:
                        break
                    first = asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                    done, in_flight = runner.run(first)
                    for finished in done:
                        try:
                            completion = finished.result()
                        except UnpromptedError as error:
                            failure, waiting = failure or error, iter(())
                        else:
                            yield completion
            finally:
                runner.run(_close(clients, in_flight))
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Nothing to free: connections end with each run."""

    async def _open_clients(self) -> list[ServerClient[ChatCompletion]]:
        settings, policy = self._settings, self._retry_policy
        return [
            ServerClient(_SETTING, url, settings, policy, self._codec.parse)
            for url in settings.base_urls
        ]

    async def _complete(self, clients: _Clients, request: Request, number: int) -> Completion:
        body = json.dumps(self._codec.body(request), ensure_ascii=False).encode(errors="replace")
        try:
            reply = await _first_reply(clients, body, number)
        except ContentFiltered:
            return self._codec.filtered(request)
        except NoReply as error:
            servers = (
                f"{', '.join(map(quoted, self._settings.base_urls))}, model {self._settings.model}"
            )
            if isinstance(error, ContextOverflow):
                way_out = "a prompt is too long for the server; lower model.max_length"
            elif isinstance(error, Rejected):
                way_out = "change what it names and run again, finished answers are kept"
            else:
                way_out = "check the server and run again, finished answers are kept"
            raise SetupError(f"{_SETTING}: {servers}: {error}: {way_out}") from None
        return self._codec.completion(request, reply)


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
