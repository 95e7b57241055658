"""Time and memory of steps that are compared: in turns, so that they share the machine's mood."""

import ctypes
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


def alternated(steps: Sequence[Callable[[], None]], repeats: int) -> list[float]:
    """Median seconds of each step; each is run once untimed, then all in turns."""
    for step in steps:
        step()
    taken: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats):
        for number, step in enumerate(steps):
            _settled()
            begun = time.perf_counter()
            step()
            _settled()
            taken[number].append(time.perf_counter() - begun)
    return [statistics.median(times) for times in taken]


def extra_peak_mb(step: Callable[[], None]) -> float:
    """The most memory that a step held beside what was held before it, in 10⁶ bytes.

    On CPU the process's own resident peak, which Linux lets a process reset. What earlier steps
    have freed is given back to the system first, or this one would find its memory there already.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    step()  # libraries set up what they keep
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident()["VmRSS"]
    step()
    return (_resident()["VmHWM"] - before) / 1e6


def _resident() -> dict[str, int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    parts = [line.split() for line in lines if line.startswith(("VmRSS", "VmHWM"))]
    return {name.rstrip(":"): int(kib) * 1024 for name, kib, _ in parts}


def _settled() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
