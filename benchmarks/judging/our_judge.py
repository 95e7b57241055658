"""Times our judge on the items: against the server, without it, and from its cache."""

import statistics
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.judging.items import PROMPT, RULES, Item
from benchmarks.judging.server import MODEL
from config.judging import JudgeSettings, ServerSettings
from data.jsonl import JsonlFile, read_appended
from judge.llm.cache import CachedReply
from judge.llm.judge import LlmJudge

REPEATS = 3  # runs of which the median counts


class JudgeTimes(NamedTuple):
    """Seconds for all items; medians of the runs."""

    wall_s: float
    walls_s: list[float]  # of each run
    cpu_s: float  # of the judging process, HTTP client included
    waited_s: float  # for a CPU core that other processes used
    own_cpu_s: float  # of the same work without the server, see `_own_cpu_s`
    rescore_s: float


def measure_our_judge(items: list[Item], url: str, in_flight: int, folder: Path) -> JudgeTimes:
    """Judges all items REPEATS times, each time with an empty cache.

    An untimed run of a few items warms up, as it does for the peers. Raises RuntimeError when a
    verdict is missing, or the number of requests is wrong.
    """
    few = items[:in_flight]
    _judge(few, url, in_flight, folder / "warm.jsonl", calls=len(few) + 1)
    runs = []
    for number in range(REPEATS):
        cache = folder / f"calls{number}.jsonl"
        runs.append(_judge(items, url, in_flight, cache, calls=len(items) + 1))
    wall_s, cpu_s, waited_s = map(statistics.median, zip(*runs, strict=True))
    own = [_own_cpu_s(items, url, in_flight, cache) for _ in range(REPEATS)]
    rescores = [_judge(items, url, in_flight, cache, calls=0).wall_s for _ in range(REPEATS)]
    return JudgeTimes(
        wall_s=wall_s,
        walls_s=[run.wall_s for run in runs],
        cpu_s=cpu_s,
        waited_s=waited_s,
        own_cpu_s=statistics.median(own),
        rescore_s=statistics.median(rescores),
    )


class _Times(NamedTuple):
    wall_s: float
    cpu_s: float
    waited_s: float

    def since(self, start: "_Times") -> "_Times":
        return _Times(*(end - begin for end, begin in zip(self, start, strict=True)))


def _now() -> _Times:
    try:  # the second number: nanoseconds for which this thread was ready to run but did not
        waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:  # not Linux, or a kernel that does not count
        waited = float("nan")
    return _Times(time.perf_counter(), time.process_time(), waited)


def _judge(items: list[Item], url: str, in_flight: int, cache: Path, calls: int) -> _Times:
    """The times of one run; `calls` is the number of requests to expect, the probe included."""
    server = ServerSettings(base_url=url, model=MODEL, concurrency=in_flight, api_key_env="")
    judge = LlmJudge(server, JudgeSettings(), RULES, PROMPT, cache)
    start = _now()
    verdicts = judge.verdicts(items)
    times = _now().since(start)
    missing = [verdict.reason for verdict in verdicts if verdict.outcome == "missing"]
    if len(verdicts) != len(items) or missing:
        raise RuntimeError(f"{len(verdicts)} verdicts of {len(items)}, missing: {missing[:3]}")
    if judge.usage.calls != calls:
        raise RuntimeError(f"{judge.usage.calls} calls, expected {calls}")
    return times


def _own_cpu_s(items: list[Item], url: str, in_flight: int, cache: Path) -> float:
    """CPU seconds of the judge without HTTP client and retries.

    The complete cache stands in for a server without latency: requests are built and hashed,
    replies parsed, evidence checked, verdicts built. Then every reply is written to a new file.
    """
    replies = list(read_appended(cache, CachedReply))
    cpu_s = _judge(items, url, in_flight, cache, calls=0).cpu_s
    copy = cache.with_suffix(".copy")
    start = _now()
    with JsonlFile(copy, CachedReply) as store:
        for reply in replies:
            store.append(reply)
    cpu_s += _now().since(start).cpu_s
    copy.unlink()
    return cpu_s
