"""The pool: results in order, a limited number at a time, and the collector as it was."""

import asyncio
import gc
from contextlib import suppress

import pytest

from judge.llm.pool import map_concurrently, relaxed_gc


def test_results_keep_the_order_of_the_items() -> None:
    running = most = 0

    async def work(delay: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(delay / 1000)
        running -= 1
        return delay

    delays = [9, 1, 5, 3, 7, 2]
    assert asyncio.run(map_concurrently(delays, work, workers=3)) == delays
    assert most == 3


def test_the_first_error_cancels_the_rest() -> None:
    started: list[int] = []

    async def work(number: int) -> None:
        started.append(number)
        await asyncio.sleep(0)
        if number == 1:
            raise KeyError(number)
        await asyncio.sleep(10)

    with pytest.raises(KeyError):
        asyncio.run(map_concurrently(range(100), work, workers=2))
    assert started == [0, 1]


@pytest.mark.parametrize("fails", [False, True])
def test_the_collector_is_as_before_afterwards(fails: bool) -> None:
    before = gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()
    with suppress(KeyError), relaxed_gc():
        if fails:
            raise KeyError
    assert (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()) == before
