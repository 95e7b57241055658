"""How many requests are let through at a time, and in which order."""

import asyncio

from wire.limiter import AdaptiveLimiter


def test_starts_with_one_and_opens_with_the_first_reply() -> None:
    gate = AdaptiveLimiter(8)
    assert gate.limit == 1
    gate.record_reply()
    assert gate.limit == 8


def test_falls_by_a_fifth_and_climbs_again() -> None:
    gate = AdaptiveLimiter(10)
    gate.record_reply()
    gate.record_throttling()
    assert gate.limit == 8
    gate.record_throttling()
    assert gate.limit == 6  # 6.4
    for _ in range(40):  # additive: about one place per round of replies
        gate.record_reply()
    assert gate.limit == 10
    for _ in range(99):
        gate.record_throttling()
    assert gate.limit == 1  # never shut


def test_holds_its_limit() -> None:
    async def crowd() -> int:
        gate = AdaptiveLimiter(3)
        gate.record_reply()
        inside = most = 0

        async def visit() -> None:
            nonlocal inside, most
            async with gate.slot():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1

        await asyncio.gather(*(visit() for _ in range(30)))
        return most

    assert asyncio.run(crowd()) == 3


def test_who_waits_is_let_through_in_order_and_the_cancelled_take_no_place() -> None:
    """A place is lost neither by one who is cancelled before it is given, nor just after."""

    async def crowd() -> list[int]:
        gate = AdaptiveLimiter(1)
        came: list[int] = []

        async def visit(number: int) -> None:
            async with gate.slot():
                came.append(number)
                await asyncio.sleep(0)

        async with gate.slot():
            tasks = [asyncio.create_task(visit(number)) for number in range(6)]
            await asyncio.sleep(0)  # all wait now
            tasks[1].cancel()
        tasks[0].cancel()  # the place was given to it, and it has not run since
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in done[:2]] == [asyncio.CancelledError] * 2
        async with asyncio.timeout(1), gate.slot():  # all places are free again
            return came

    assert asyncio.run(crowd()) == [2, 3, 4, 5]


def test_nobody_passes_those_who_wait() -> None:
    async def crowd() -> list[str]:
        gate = AdaptiveLimiter(1)
        came = []

        async def visit(name: str) -> None:
            async with gate.slot():
                came.append(name)

        async with gate.slot():
            first = asyncio.create_task(visit("first"))
            await asyncio.sleep(0)
        await visit("second")  # the place is free and promised
        await first
        return came

    assert asyncio.run(crowd()) == ["first", "second"]
