"""Our judge on the items: end to end against the server, its own work, a rerun from its store."""

import statistics
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.judging.items import PROMPT, RULES, Item
from benchmarks.judging.server import MODEL
from config.judging import JudgeSettings, ServerSettings
from data.jsonl import JsonlStore, read_records
from judge.llm.cache import CachedReply
from judge.llm.judge import LlmJudge
from judge.verdict import Verdict

REPEATS = 3  # runs of which the median counts


class Ours(NamedTuple):
    """What our judge took, in seconds for all items."""

    wall_s: float  # median of the runs
    walls_s: tuple[float, ...]
    cpu_s: float  # of the judging process, HTTP client included; median too
    waited_s: float  # for a core that other processes had; median too
    own_cpu_s: float  # of the same work without the server, see `_own_cpu_s`
    rescore_s: float


def measure_ours(items: list[Item], url: str, in_flight: int, folder: Path) -> Ours:
    """Judges all items REPEATS times, each time into a new store.

    A first run of few items, untimed, warms up, as it does for the peers. Raises RuntimeError when
    a verdict is missing, or was asked twice or never.
    """
    few = items[:in_flight]
    _judge(few, url, in_flight, folder / "warm.jsonl", calls=len(few) + 1)
    runs = []
    for number in range(REPEATS):
        store = folder / f"asked{number}.jsonl"
        runs.append(_judge(items, url, in_flight, store, calls=len(items) + 1))
    walls = [run.wall_s for run in runs]
    own = [_own_cpu_s(items, url, in_flight, store) for _ in range(REPEATS)]
    again = [_judge(items, url, in_flight, store, calls=0).wall_s for _ in range(REPEATS)]
    return Ours(
        wall_s=statistics.median(walls),
        walls_s=tuple(walls),
        cpu_s=statistics.median(run.cpu_s for run in runs),
        waited_s=statistics.median(run.waited_s for run in runs),
        own_cpu_s=statistics.median(own),
        rescore_s=statistics.median(again),
    )


class _Took(NamedTuple):
    wall_s: float
    cpu_s: float
    waited_s: float


class _Clock:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._begun = self._now()

    def took(self) -> _Took:
        """Seconds since then."""
        return _Took(*(now - begun for now, begun in zip(self._now(), self._begun, strict=True)))

    @staticmethod
    def _now() -> _Took:
        try:  # the second number: nanoseconds that this thread was ready to run and was not run
            waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
        except OSError:  # not Linux, or a kernel that does not count
            waited = float("nan")
        return _Took(time.perf_counter(), time.process_time(), waited)


def _judge(items: list[Item], url: str, in_flight: int, store: Path, calls: int) -> _Took:
    """One run; `calls` is how many requests it has to make, a probe among them."""
    server = ServerSettings(base_url=url, model=MODEL, concurrency=in_flight, api_key_env="")
    judge = LlmJudge(server, JudgeSettings(), RULES, PROMPT, store)
    clock = _Clock()
    verdicts = judge.verdicts(items)
    took = clock.took()
    _complete(verdicts, len(items))
    if judge.usage.calls != calls:
        raise RuntimeError(f"{judge.usage.calls} calls where {calls} were due")
    return took


def _complete(verdicts: list[Verdict], due: int) -> None:
    missing = [verdict.reason for verdict in verdicts if verdict.outcome == "missing"]
    if len(verdicts) != due or missing:
        raise RuntimeError(f"{len(verdicts)} verdicts of {due}, missing: {missing[:3]}")


def _own_cpu_s(items: list[Item], url: str, in_flight: int, store: Path) -> float:
    """CPU seconds of all that is ours: the finished store stands in for a server without latency.

    Building and hashing the requests, reading the replies, holding the evidence against the data,
    the verdicts; then writing every reply to a new store. Without HTTP client and retries.
    """
    replies = list(read_records(store, CachedReply))
    took = _judge(items, url, in_flight, store, calls=0).cpu_s
    fresh = store.with_suffix(".again")
    clock = _Clock()
    with JsonlStore(fresh, CachedReply) as kept:
        for reply in replies:
            kept.append(reply)
    took += clock.took().cpu_s
    fresh.unlink()
    return took
