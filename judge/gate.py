"""How many requests are under way at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Lets so many requests through at a time: fewer after each 429, slowly more after that.

    Starts with one, so that a wrong key costs one request and not a burst; the first reply opens
    it to the full.
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
                self._changed.notify(max(1, self.limit - self._inside))  # not all: they are many

    def answered(self) -> None:
        """A reply came."""
        self._limit = min(self._most, self._limit + 1 / self._limit) if self._opened else self._most
        self._opened = True

    def throttled(self) -> None:
        """The server said 429."""
        self._limit = max(1.0, self._limit * 0.8)
