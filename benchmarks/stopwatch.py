"""Time and memory of steps under comparison, run in turns under the same load."""

import ctypes
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


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

    On CPU the resident peak of the process, which Linux can reset. Memory freed by earlier steps is
    first returned to the system, so that the step cannot reuse it uncounted.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    step()  # libraries allocate their caches
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident_bytes()["VmRSS"]
    step()
    return (_resident_bytes()["VmHWM"] - before) / 1e6


def _resident_bytes() -> dict[str, int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    parts = [line.split() for line in lines if line.startswith(("VmRSS", "VmHWM"))]
    return {name.rstrip(":"): int(kib) * 1024 for name, kib, _ in parts}


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
