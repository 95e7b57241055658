"""Time and memory of steps under comparison, run in turns under the same load."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch

from benchmarks.resident_memory import extra_resident_mb


def median_seconds(steps: Sequence[Callable[[], None]], repeats: int) -> list[float]:
    """Median seconds of each step. Each runs once untimed, then all in turns."""
    for step in steps:
        step()
    timings: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats):
        for number, step in enumerate(steps):
            _synchronize()
            start = time.perf_counter()
            step()
            _synchronize()
            timings[number].append(time.perf_counter() - start)
    return [statistics.median(times) for times in timings]


def extra_peak_mb(step: Callable[[], None]) -> float:
    """Peak memory of a step above the level before it, in 10⁶ bytes.

    On CPU the resident peak of the process.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    step()  # libraries allocate their caches
    return extra_resident_mb(step)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
