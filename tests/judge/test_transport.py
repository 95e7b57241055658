"""How many requests are let through at a time, and where they go."""

import asyncio
from pathlib import Path

import pytest

from config.errors import SetupError
from judge.gate import Gate
from tests.judge.runs import judge_at, pairs_of
from tests.judge.server import error, serving, verdict


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


def test_the_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address of the server is nowhere: only through the proxy is there an answer."""
    with serving(lambda body: verdict()) as served:
        monkeypatch.setenv("http_proxy", served.url.removesuffix("/v1"))
        verdicts = judge_at("http://judge.invalid/v1", tmp_path).verdicts(pairs_of(2))
        assert [one.outcome for one in verdicts] == ["pass"] * 2 and len(served.bodies) == 3


@pytest.mark.parametrize("status", [301, 307, 404])
def test_a_moved_server_is_not_followed(tmp_path: Path, status: int) -> None:
    """The key goes to no address but the one that the settings name."""
    with serving(lambda body: verdict()) as other:
        moved = error(status, location=other.url)
        with serving(lambda body: moved) as served, pytest.raises(SetupError, match="base_url"):
            judge_at(served.url, tmp_path).verdicts(pairs_of(2))
        assert (len(served.bodies), other.bodies) == (1, [])
