"""The backend for OpenAI-compatible servers: one model at one or several URLs, used in turn.

A thread keeps requests in flight while the caller stores the answers.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack
from itertools import islice
from queue import SimpleQueue
from threading import Thread

from config.backends import OpenAiBackend
from config.errors import SetupError, UnpromptedError
from engine.base import Completion, Request
from engine.openai_messages import ChatCodec, TokenCompletion, parse_token_completion
from wire.client import Address, RetryPolicy, ServerClient
from wire.no_reply import ContentFiltered, ContextOverflow, NoReply, Rejected

_SETTING = "teacher.engine"


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
        thread = _RequestThread(self._settings, self._codec, self._retry_policy)
        waiting = iter(requests)
        max_in_flight = self._settings.concurrency * len(self._settings.base_urls)
        in_flight, failure = 0, None
        try:
            while True:
                if failure is None:
                    for request in islice(waiting, max_in_flight - in_flight):
                        thread.send(request)
                        in_flight += 1
                if not in_flight:
                    break
                request, reply = thread.replies.get()
                in_flight -= 1
                try:
                    completion = self._completion(request, reply)
                except UnpromptedError as error:
                    failure = failure or error
                    continue
                yield completion
        finally:
            thread.close()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Nothing to free: connections and thread end with each run."""

    def _completion(self, request: Request, reply: TokenCompletion | Exception) -> Completion:
        if isinstance(reply, TokenCompletion):
            return self._codec.completion(request, reply)
        if not isinstance(reply, NoReply):
            raise reply
        if isinstance(reply, ContentFiltered):
            return self._codec.filtered(request)
        servers = f"{', '.join(self._settings.base_urls)}, model {self._settings.model}"
        if isinstance(reply, ContextOverflow):
            way_out = "a prompt is too long for the server; lower model.max_length"
        else:
            way_out = "check the server and run again, finished answers are kept"
        raise SetupError(f"{_SETTING}: {servers}: {reply}: {way_out}") from None


class _RequestThread:
    """A thread with an event loop that sends requests, and a queue of the replies."""

    def __init__(
        self, settings: OpenAiBackend, codec: ChatCodec, retry_policy: RetryPolicy
    ) -> None:
        self.replies: SimpleQueue[tuple[Request, TokenCompletion | Exception]] = SimpleQueue()
        self._codec = codec
        self._settings = settings
        self._retry_policy = retry_policy
        self._sent = 0
        self._futures: set[Future[None]] = set()  # asyncio itself holds only weak references
        self._loop = asyncio.new_event_loop()
        self._clients: list[ServerClient[TokenCompletion]] = []
        self._thread = Thread(target=self._loop.run_forever, name=_SETTING, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def send(self, request: Request) -> None:
        """Sends a request; its reply will be put into the queue."""
        future = asyncio.run_coroutine_threadsafe(self._ask(request, self._sent), self._loop)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        self._sent += 1

    def close(self) -> None:
        """Cancels the requests in flight, and ends the connections and the thread."""
        asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        for url in self._settings.base_urls:
            address = Address(
                _SETTING,
                url,
                self._settings.model,
                self._settings.api_key_env,
                self._settings.concurrency,
                self._settings.timeout_s,
            )
            client = ServerClient(address, self._retry_policy, parse_token_completion)
            self._clients.append(client)

    async def _cancel(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with AsyncExitStack() as stack:
            for client in self._clients:
                stack.push_async_callback(client.close)

    async def _ask(self, request: Request, number: int) -> None:
        reply: TokenCompletion | Exception
        try:
            body = json.dumps(self._codec.body(request), ensure_ascii=False)
            reply = await self._first_reply(body.encode(errors="replace"), number)
        except Exception as error:  # raised in the caller's thread
            reply = error
        self.replies.put((request, reply))

    async def _first_reply(self, body: bytes, number: int) -> TokenCompletion:
        """The reply of the server whose turn it is, or of the first one after it that replies."""
        count = len(self._clients)
        for turn in range(count):
            try:
                return await self._clients[(number + turn) % count].ask(body)
            except NoReply as error:
                if isinstance(error, Rejected) or turn == count - 1:
                    raise
        raise AssertionError("a backend has one URL at least")
