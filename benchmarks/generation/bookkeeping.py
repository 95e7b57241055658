"""The overhead of the teacher's batch: rows per second and memory, with a fake engine.

`python -m benchmarks.generation.bookkeeping ROWS` prints the figures as JSON. It runs as a process
of its own, so that the memory is only the batch's.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from config.checkout import ROOT
from config.generation import SamplingSettings
from data.records import Record
from engine.base import Completion, Request, make_request
from engine.batch_job import Task, run_job

_IN_FLIGHT = 512
_TEXT = "The reading room opens at nine and closes at six; please bring your card. " * 4
_SAMPLING = SamplingSettings(max_tokens=64, temperature=1.0)


class Bookkeeping(Record):
    """Speed and memory of a run, and of a rerun that finds every answer."""

    rows: int
    rows_per_s: float
    rerun_rows_per_s: float
    mb: float  # growth of the process over both runs, 10^6 bytes


class InstantEngine:
    """An engine that answers at once with 64 tokens, out of order."""

    identity = "instant"
    max_length = 2048

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Finishes the requests in flight in random order."""
        rng, pending = random.Random(0), iter(requests)
        in_flight: list[Request] = []
        while True:
            in_flight += islice(pending, _IN_FLIGHT - len(in_flight))
            if not in_flight:
                return
            request = in_flight.pop(rng.randrange(len(in_flight)))
            ids = tuple(range(request.seed, request.seed + 64))
            yield Completion(request.key, _TEXT, ids, "stop")

    def close(self) -> None:
        """Frees nothing."""


def _measure(rows: int, folder: Path) -> Bookkeeping:
    """Leaves about 0.9 GB per million rows in `folder`."""
    run_job(InstantEngine(), _tasks(100), folder / "warm.jsonl", {})
    before = _peak_mb()
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        run_job(InstantEngine(), _tasks(rows), folder / "a.jsonl", {})
        seconds.append(time.perf_counter() - start)
    return Bookkeeping(
        rows=rows,
        rows_per_s=rows / seconds[0],
        rerun_rows_per_s=rows / seconds[1],
        mb=_peak_mb() - before,
    )


def measure_in_subprocess(rows: int) -> Bookkeeping:
    """Measures in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.generation.bookkeeping", str(rows)]
    child = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return Bookkeeping.model_validate_json(child.stdout.splitlines()[-1])


def _tasks(rows: int) -> Iterator[Task]:
    for n in range(rows):
        request = make_request(InstantEngine.identity, (n, 1, 2, 3), _SAMPLING, seed=n)
        yield Task("candidates/train", f"row-{n:07}", 0, request)


def _peak_mb() -> float:
    """Peak memory of this process; `ru_maxrss` would start at its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(_measure(int(sys.argv[1]), Path(folder)).model_dump_json())
