"""Runs one coroutine per item, a fixed number at a time."""

from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from config.progress import ProgressBar

_T = TypeVar("_T")
_R = TypeVar("_R")


async def map_concurrently(
    items: Sequence[_T], work: Callable[[_T], Awaitable[_R]], workers: int
) -> list[_R]:
    """The results in order, with a progress bar. The first error cancels the rest."""
    results: dict[int, _R] = {}
    queue = iter(enumerate(items))
    # the delay hides the bar where all replies are stored
    bar = ProgressBar("judge", " questions", len(items), delay_s=1.0)

    async def worker() -> None:
        for place, item in queue:
            results[place] = await work(item)
            bar.update()

    try:
        with bar:
            async with TaskGroup() as group:
                for _ in range(min(workers, len(items))):
                    group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[place] for place in range(len(items))]
