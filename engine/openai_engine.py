"""The backend that asks OpenAI-compatible servers: as many as are named, in turn.

A thread of its own keeps requests under way while the caller stores what came back.
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

SETTING = "teacher.engine"

Arrived = tuple[Request, TokenCompletion | Exception]


class OpenAiEngine:
    """One model behind one URL or several. Holds nothing between two runs."""

    def __init__(
        self,
        settings: OpenAiBackend,
        chat: ChatCodec,
        max_length: int,
        patience: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    ) -> None:
        """`max_length` in tokens of the base."""
        self._settings = settings
        self._chat = chat
        self.identity = chat.identity
        self.max_length = max_length
        self._patience = patience

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions in the order in which they come.

        One that no server answers ends it with a SetupError, after all that is under way.
        """
        line = _Line(self._settings, self._chat, self._patience)
        waiting = iter(requests)
        most = self._settings.concurrency * len(self._settings.base_urls)
        flying, failure = 0, None
        try:
            while True:
                if failure is None:
                    for request in islice(waiting, most - flying):
                        line.send(request)
                        flying += 1
                if not flying:
                    break
                request, found = line.arrived.get()
                flying -= 1
                try:
                    completion = self._completion(request, found)
                except UnpromptedError as error:  # no more is asked; what is under way may come
                    failure = failure or error
                    continue
                yield completion
        finally:
            line.close()
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Nothing to free: connections and thread end with each run."""

    def _completion(self, request: Request, found: TokenCompletion | Exception) -> Completion:
        if isinstance(found, TokenCompletion):
            return self._chat.completion(request, found)
        if not isinstance(found, NoReply):
            raise found
        if isinstance(found, ContentFiltered):
            return self._chat.refused(request)
        where = f"{', '.join(self._settings.base_urls)}, model {self._settings.model}"
        if isinstance(found, ContextOverflow):
            way_out = "a prompt is too long for the server; lower model.max_length"
        else:
            way_out = "see to the server and run again, what came back is kept"
        raise SetupError(f"{SETTING}: {where}: {found}: {way_out}") from None


class _Line:
    """The thread that asks, and what has arrived."""

    def __init__(self, settings: OpenAiBackend, chat: ChatCodec, patience: RetryPolicy) -> None:
        self.arrived: SimpleQueue[Arrived] = SimpleQueue()
        self._chat = chat
        self._addresses = [
            Address(
                SETTING,
                url,
                settings.model,
                settings.api_key_env,
                settings.concurrency,
                settings.timeout_s,
            )
            for url in settings.base_urls
        ]
        self._patience = patience
        self._sent = 0
        self._asked: set[Future[None]] = set()  # or nobody might hold what is under way
        self._loop = asyncio.new_event_loop()
        self._connections: list[ServerClient[TokenCompletion]] = []
        self._thread = Thread(target=self._loop.run_forever, name="teacher.engine", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def send(self, request: Request) -> None:
        """Starts asking; the reply will be among those that have arrived."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(request, self._sent), self._loop)
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        self._sent += 1

    def close(self) -> None:
        """Ends what is under way, the connections and the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        for address in self._addresses:
            self._connections.append(ServerClient(address, self._patience, parse_token_completion))

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        async with AsyncExitStack() as stack:
            for connection in self._connections:
                stack.push_async_callback(connection.close)

    async def _ask(self, request: Request, number: int) -> None:
        try:
            data = json.dumps(self._chat.body(request), ensure_ascii=False).encode(errors="replace")
            found: TokenCompletion | Exception = await self._answered(data, number)
        except Exception as error:  # raised where it is read, in the caller's thread
            found = error
        self.arrived.put((request, found))

    async def _answered(self, data: bytes, number: int) -> TokenCompletion:
        """The reply of the server whose turn it is, or of the next that gives one."""
        count = len(self._connections)
        for turn in range(count):
            try:
                return await self._connections[(number + turn) % count].ask(data)
            except NoReply as error:
                if isinstance(error, Rejected) or turn == count - 1:
                    raise
        raise AssertionError("a backend has one URL at least")
