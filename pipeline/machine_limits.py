"""The cores and the memory that a process of this machine may use."""

import os
from pathlib import Path

import psutil

_CGROUPS = (  # limit and use of a container, version 2 and 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def free_memory() -> tuple[float, float]:
    """Free and total memory in bytes, of the container where it has a limit."""
    memory = psutil.virtual_memory()
    free, total = float(memory.available), float(memory.total)
    for limit_path, use_path in _CGROUPS:
        try:
            limit, used = (float(Path(path).read_text()) for path in (limit_path, use_path))
        except (OSError, ValueError):  # no container, or "max"
            continue
        if limit < total:
            return min(free, limit - used), limit
    return free, total


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
