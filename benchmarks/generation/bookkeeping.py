"""What the teacher's batch costs beside the model: rows a second and memory, with a fake engine.

`python -m benchmarks.generation.bookkeeping ROWS` prints the figures as JSON. It is a process of
its own, so that the memory measured is its own.
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

IN_FLIGHT = 512
TEXT = "The reading room opens at nine and closes at six; please bring your card. " * 4
SAMPLING = SamplingSettings(max_tokens=64, temperature=1.0)


class Bookkeeping(Record):
    """Of one run over so many rows, and of the rerun that finds every answer."""

    rows: int
    rows_per_s: float
    rerun_rows_per_s: float
    mb: float  # growth of the process over both runs, 10^6 bytes


class InstantEngine:
    """Answers with 64 tokens at once, out of order."""

    identity = "instant"
    max_length = 2048

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Finishes any of the requests in flight next."""
        rng, waiting = random.Random(0), iter(requests)
        flying: list[Request] = []
        while True:
            flying += islice(waiting, IN_FLIGHT - len(flying))
            if not flying:
                return
            request = flying.pop(rng.randrange(len(flying)))
            ids = tuple(range(request.seed, request.seed + 64))
            yield Completion(request.key, TEXT, ids, "stop")

    def close(self) -> None:
        """Nothing to free."""


def measure(rows: int, folder: Path) -> Bookkeeping:
    """In this process; the files stay in `folder`, about 0.9 GB for a million rows."""
    run_job(InstantEngine(), _tasks(100), folder / "warm.jsonl", {})
    before = _peak_mb()
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        run_job(InstantEngine(), _tasks(rows), folder / "a.jsonl", {})
        seconds.append(time.perf_counter() - begun)
    grown = _peak_mb() - before
    return Bookkeeping(
        rows=rows, rows_per_s=rows / seconds[0], rerun_rows_per_s=rows / seconds[1], mb=grown
    )


def measure_alone(rows: int) -> Bookkeeping:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.generation.bookkeeping", str(rows)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return Bookkeeping.model_validate_json(done.stdout.splitlines()[-1])


def _tasks(rows: int) -> Iterator[Task]:
    for n in range(rows):
        request = make_request(InstantEngine.identity, (n, 1, 2, 3), SAMPLING, seed=n)
        yield Task("candidates/train", f"row-{n:07}", 0, request)


def _peak_mb() -> float:
    """Of this program alone: `ru_maxrss` begins at that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(measure(int(sys.argv[1]), Path(place)).model_dump_json())
