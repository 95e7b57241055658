"""How many requests are under way at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class AdaptiveLimiter:
    """Lets so many requests through at a time: fewer after each 429, slowly more after that.

    Starts with one, so that a wrong key costs one request and not a burst; the first reply opens
    it to the full. Not a semaphore of asyncio, whose limit is fixed, and not a condition, which
    wakes a task only for it to look whether it may go.
    """

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = 1.0
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()  # the first came first
        self._opened = False

    @property
    def limit(self) -> int:
        """Requests that may be under way at present."""
        return max(1, int(self._limit))

    @asynccontextmanager
    async def inside(self) -> AsyncIterator[None]:
        """Waits for a place and holds it."""
        if self._inside < self.limit:  # then nobody waits
            self._inside += 1
        else:
            await self._turn()
        try:
            yield
        finally:
            self._leave()

    async def _turn(self) -> None:
        """Waits for a place that another leaves."""
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it was given just before
                self._leave()
            raise

    def _leave(self) -> None:
        self._inside -= 1
        while self._waiting and self._inside < self.limit:
            place = self._waiting.popleft()
            if not place.done():  # cancelled
                self._inside += 1
                place.set_result(None)

    def answered(self) -> None:
        """A reply came."""
        self._limit = min(self._most, self._limit + 1 / self._limit) if self._opened else self._most
        self._opened = True

    def throttled(self) -> None:
        """The server said 429."""
        self._limit = max(1.0, self._limit * 0.8)
