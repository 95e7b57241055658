"""Limits the number of requests in flight, and adapts the limit to HTTP 429."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class AdaptiveLimiter:
    """Additive increase, multiplicative decrease of the number of requests in flight.

    The limit starts at one, so that a wrong key costs one request and not a burst; the first reply
    raises it to the maximum. First come, first served. (asyncio.Semaphore has a fixed limit;
    asyncio.Condition wakes every waiter only to send most of them back to sleep.)
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = float(maximum)
        self._limit = 1.0
        self._in_flight = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._replied = False

    @property
    def limit(self) -> int:
        """The current limit, at least 1."""
        return max(1, int(self._limit))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits for a free slot and holds it."""
        if self._in_flight < self.limit:  # then the queue is empty
            self._in_flight += 1
        else:
            await self._wait()
        try:
            yield
        finally:
            self._release()

    async def _wait(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the slot had just been handed over
                self._release()
            raise

    def _release(self) -> None:
        self._in_flight -= 1
        while self._queue and self._in_flight < self.limit:
            turn = self._queue.popleft()
            if not turn.done():  # done: cancelled
                self._in_flight += 1
                turn.set_result(None)

    def record_reply(self) -> None:
        """Raises the limit after a reply: by about one per round of replies."""
        raised = min(self._maximum, self._limit + 1 / self._limit)
        self._limit = raised if self._replied else self._maximum
        self._replied = True

    def record_throttling(self) -> None:
        """Lowers the limit by a fifth after an HTTP 429."""
        self._limit = max(1.0, self._limit * 0.8)
