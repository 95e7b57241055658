"""The search for garbage is rare while the judge asks, and as it was afterwards."""

import gc
from pathlib import Path
from typing import Any

import pytest

from config.errors import SetupError
from judge.garbage import rarely_collected
from tests.judge.llm.runs import judge_at, pairs_of
from tests.judge.llm.server import Sent, error, serving, verdict


def state() -> tuple[bool, tuple[int, int, int], bool]:
    """Whether it searches, how often, and whether anything is passed over."""
    return gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() > 0


@pytest.mark.parametrize("fails", [False, True])
def test_while_requests_are_under_way_and_no_longer(tmp_path: Path, fails: bool) -> None:
    seen = []

    def respond(body: dict[str, Any]) -> Sent:
        seen.append(state())
        return error(401) if fails else verdict()

    usual = state()
    with serving(respond) as served:
        judge = judge_at(served.url, tmp_path)
        if fails:
            with pytest.raises(SetupError):
                judge.verdicts(pairs_of(3))
        else:
            judge.verdicts(pairs_of(3))
    assert state() == usual and not usual[2]
    assert {(on, frozen) for on, _, frozen in seen} == {(True, True)}
    assert all(often[0] > usual[1][0] and often[1:] == usual[1][1:] for _, often, _ in seen)


def test_garbage_made_meanwhile_is_found() -> None:
    """The collector is slow, not off: of 100,000 circles only the latest are still there."""

    class Circle:
        count = 0

        def __init__(self) -> None:
            Circle.count += 1
            self.itself = self

        def __del__(self) -> None:
            Circle.count -= 1

    with rarely_collected():
        for _ in range(100_000):
            Circle()
        assert Circle.count < 30_000
