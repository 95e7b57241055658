"""How many requests are let through at a time, and in which order."""

import asyncio

from wire.limiter import AdaptiveLimiter


def test_starts_with_one_and_opens_with_the_first_reply() -> None:
    limiter = AdaptiveLimiter(8)
    assert limiter.limit == 1
    limiter.record_reply()
    assert limiter.limit == 8


def test_falls_by_a_fifth_and_climbs_again() -> None:
    limiter = AdaptiveLimiter(10)
    limiter.record_reply()
    limiter.record_throttling()
    assert limiter.limit == 8
    limiter.record_throttling()
    assert limiter.limit == 6  # 6.4
    for _ in range(40):  # additive: about one place per round of replies
        limiter.record_reply()
    assert limiter.limit == 10
    for _ in range(99):
        limiter.record_throttling()
    assert limiter.limit == 1  # never shut


def test_holds_its_limit() -> None:
    async def crowd() -> int:
        limiter = AdaptiveLimiter(3)
        limiter.record_reply()
        inside = peak = 0

        async def visit() -> None:
            nonlocal inside, peak
            async with limiter.slot():
                inside += 1
                peak = max(peak, inside)
                await asyncio.sleep(0.001)
                inside -= 1

        await asyncio.gather(*(visit() for _ in range(30)))
        return peak

    assert asyncio.run(crowd()) == 3


def test_who_waits_is_let_through_in_order_and_the_cancelled_take_no_place() -> None:
    """A place is lost neither by one who is cancelled before it is given, nor just after."""

    async def crowd() -> list[int]:
        limiter = AdaptiveLimiter(1)
        order: list[int] = []

        async def visit(number: int) -> None:
            async with limiter.slot():
                order.append(number)
                await asyncio.sleep(0)

        async with limiter.slot():
            tasks = [asyncio.create_task(visit(number)) for number in range(6)]
            await asyncio.sleep(0)  # all wait now
            tasks[1].cancel()
        tasks[0].cancel()  # the place was given to it, and it has not run since
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in done[:2]] == [asyncio.CancelledError] * 2
        async with asyncio.timeout(1), limiter.slot():  # all places are free again
            return order

    assert asyncio.run(crowd()) == [2, 3, 4, 5]


def test_nobody_passes_those_who_wait() -> None:
    async def crowd() -> list[str]:
        limiter = AdaptiveLimiter(1)
        order = []

        async def visit(name: str) -> None:
            async with limiter.slot():
                order.append(name)

        async with limiter.slot():
            first = asyncio.create_task(visit("first"))
            await asyncio.sleep(0)
        await visit("second")  # the place is free and promised
        await first
        return order

    assert asyncio.run(crowd()) == ["first", "second"]
