"""The resident memory of this process, and what a step adds to it at its peak."""

import ctypes
from collections.abc import Callable
from pathlib import Path


def extra_resident_mb(step: Callable[[], None]) -> float:
    """Peak resident memory during a step above the level before it, in 10⁶ bytes.

    Linux can reset the peak. Memory freed by earlier steps is first returned to the system, so that
    the step cannot reuse it uncounted.
    """
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident_bytes()["VmRSS"]
    step()
    return (_resident_bytes()["VmHWM"] - before) / 1e6


def peak_resident_mb() -> float:
    """Peak resident memory of this process since it began, in 10⁶ bytes.

    `getrusage` would count the peak of the parent, which a new process inherits.
    """
    return _resident_bytes()["VmHWM"] / 1e6


def _resident_bytes() -> dict[str, int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    parts = [line.split() for line in lines if line.startswith(("VmRSS", "VmHWM"))]
    return {name.rstrip(":"): int(kib) * 1024 for name, kib, _ in parts}
