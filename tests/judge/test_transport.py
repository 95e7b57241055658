"""The gate: how many requests are let through at a time."""

import asyncio

from judge.gate import Gate


def test_starts_with_one_and_opens_with_the_first_reply() -> None:
    gate = Gate(8)
    assert gate.limit == 1
    gate.answered()
    assert gate.limit == 8


def test_falls_by_a_fifth_and_climbs_again() -> None:
    gate = Gate(10)
    gate.answered()
    gate.throttled()
    assert gate.limit == 8
    gate.throttled()
    assert gate.limit == 6  # 6.4
    for _ in range(40):  # additive: about one place per round of replies
        gate.answered()
    assert gate.limit == 10
    for _ in range(99):
        gate.throttled()
    assert gate.limit == 1  # never shut


def test_holds_its_limit() -> None:
    async def crowd() -> int:
        gate = Gate(3)
        gate.answered()
        inside = most = 0

        async def visit() -> None:
            nonlocal inside, most
            async with gate.inside():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1

        await asyncio.gather(*(visit() for _ in range(30)))
        return most

    assert asyncio.run(crowd()) == 3
