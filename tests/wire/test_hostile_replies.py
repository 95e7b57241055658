"""Servers that send more than a reply may have, or never end: bounded memory, one line."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hostile.__main__ import measure
from benchmarks.hostile.hostile_replies import MIB, PAUSES_S, REPLIES, bomb
from benchmarks.hostile.hostile_server import serving_hostile
from config.errors import SetupError
from tests.engine.openai_engine_factory import completions_from, questions
from tests.judge.llm.judge_factory import after_probe, judge_at, judged, outcomes, pairs_of
from tests.judge.llm.server import Sent, serving, verdict
from wire.bounded_body import MOST_BYTES

TOO_LARGE = "the reply is larger than 16 MiB"
TOO_MANY = "the reply holds more than 262,144 JSON objects and lists"
NOT_WHOLE = "no whole HTTP response"
LATE = "no reply within 1 s"
LINES: dict[str, str | tuple[str, ...]] = {
    "gzip bomb of 4 GiB": TOO_LARGE,
    "deflate bomb of 4 GiB": TOO_LARGE,
    "gzip bomb of 4 GiB, packed twice": "the reply is not JSON",
    "gzip bomb in an error 500": "HTTP 500",
    "gzip of nothing, endless": LATE,
    "br that is none": NOT_WHOLE,
    "zstd that is none": NOT_WHOLE,
    "endless stream": TOO_LARGE,
    "endless text of a reply": TOO_LARGE,
    "content-length of 1 TiB": TOO_LARGE,
    "deep JSON, 15 MiB": TOO_MANY,
    "many objects, 15 MiB": TOO_MANY,
    "250,000 objects, 15 MiB": "a reply of 0 characters",
    "a number of 15 MiB": "the reply is not JSON",
    "endless headers": NOT_WHOLE,
    "a header without end": LATE,
    "endless status 100": LATE,
    "slow drip, a byte in 50 ms": LATE,
    "silence": LATE,
    "redirect to itself": "judge.llm: URL, model m: HTTP 307",
    "chunked garbage": (NOT_WHOLE, LATE),  # by what came at once
    "content-length too large": NOT_WHOLE,
    "content-length too small": (NOT_WHOLE, "the reply is not JSON"),  # likewise
    "a whole reply, unpacked 1 MiB": "a reply of 1,048,576 characters",
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving_hostile() as url:
        yield url


def test_every_hostile_reply_is_expected() -> None:
    assert LINES.keys() == REPLIES.keys() >= PAUSES_S.keys()


@pytest.mark.parametrize("name", LINES)
@pytest.mark.timeout(120)
def test_memory_and_line(server: str, name: str) -> None:
    """`python -m benchmarks.hostile` measures the time; 4 GiB took 46 s and 1 GB before.

    A server that never ends is given up after a second. Whatever else sends has time to do so,
    also on a busy machine. Memory: a few times the 16 MiB of a reply; a parsed object takes 600
    bytes, so 250,000 take 150 million, and the list of JSON before them as much.
    """
    timeout_s = 1.0 if LATE in LINES[name] else 30.0
    figures, lines = measure(server, [name], timeout_s)
    assert lines[name].startswith(LINES[name]) and "\n" not in lines[name]
    assert len(lines[name]) < 400
    assert figures.most_memory_mb < (300 if name == "250,000 objects, 15 MiB" else 120)


BOMB = Sent(raw=bomb(1024 * MIB, 31), headers={"content-encoding": "gzip"})


def test_a_judges_bomb_costs_that_verdict_alone(tmp_path: Path) -> None:
    """It is asked for once: the same request would bring the same. Its note names the limit."""

    def respond(body: dict[str, object]) -> Sent:
        return BOMB if "Question r1?" in str(body) else verdict()

    verdicts, sent, _ = judged(respond, tmp_path, pairs_of(3))
    assert outcomes(verdicts) == [("pass", None), ("missing", "transport"), ("pass", None)]
    assert len(sent) == 3 and TOO_LARGE in verdicts[1].note


def test_bombs_alone_are_one_line_of_either(tmp_path: Path) -> None:
    with serving(lambda body: BOMB) as served, pytest.raises(SetupError, match=TOO_LARGE) as line:
        judge_at(served.url, tmp_path).verdicts(pairs_of(3))
    assert "\n" not in str(line.value)
    with pytest.raises(SetupError, match=f"{TOO_LARGE}: check the server and run again") as line:
        completions_from(lambda body: BOMB, questions(9))
    assert "\n" not in str(line.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("beyond", "outcome"), [(-1000, "pass"), (1000, "missing")])
def test_the_limit_is_of_unpacked_bytes(
    tmp_path: Path, packed: bool, beyond: int, outcome: str
) -> None:
    """A reply a kilobyte below it is read, and one a kilobyte above is not, packed or not."""
    raw = verdict().payload()
    raw += b" " * (MOST_BYTES + beyond - len(raw))
    sent = Sent(raw=raw)
    if packed:
        sent = Sent(raw=gzip.compress(raw), headers={"content-encoding": "gzip"})
    verdicts, _, _ = judged(after_probe(lambda body: sent), tmp_path, pairs_of(1))
    assert verdicts[0].outcome == outcome
