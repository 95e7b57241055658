"""Runs one coroutine per item, a fixed number at a time."""

import gc
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from config.progress import ProgressBar

_T = TypeVar("_T")
_R = TypeVar("_R")


_GC_THRESHOLD = 20_000  # new objects between two collections: a few megabytes; Python's is 700


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
        with bar, relaxed_gc():
            async with TaskGroup() as group:
                for _ in range(min(workers, len(items))):
                    group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[place] for place in range(len(items))]


@contextmanager
def relaxed_gc() -> Iterator[None]:
    """Runs the garbage collector less often while thousands of requests are in flight.

    It saves 0.1 ms of 0.65 ms CPU time per verdict, and long pauses of all requests on a big heap.
    """
    threshold, *others = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, *others)
    try:
        yield
    finally:
        gc.set_threshold(threshold, *others)
        gc.unfreeze()
