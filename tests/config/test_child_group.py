"""Children and their children end with their parent, however it ends."""

import os
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

from config.checkout import ROOT
from config.child_group import WATCHER_GRACE_S, child_group

SLEEPS = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
# A child with a child of its own; both numbers go to the file that is named first.
CHILD = f"""
import os, subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", sys.argv[2]])
open(sys.argv[1], "w").write(f"{{os.getpid()}} {{grandchild.pid}} ")
{SLEEPS}
"""
# SIGINT is ignored in what a shell starts in the background, and children inherit that.
PARENT = f"""
import os, signal, sys, time
from config.child_group import child_group
signal.signal(signal.SIGINT, signal.default_int_handler)
command = [sys.executable, "-c", {CHILD!r}, sys.argv[1], sys.argv[2]]
with child_group(command, sys.stdout, os.environ, None):
    open(sys.argv[1] + "-watched", "w").write(" ")
    time.sleep(60)
"""


def wait_for(path: Path) -> list[int]:
    """The process numbers in a file, once they are written."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith(" "):
            return [int(word) for word in path.read_text().split()]
        time.sleep(0.05)
    raise AssertionError("nothing was started")


def alive(pid: int) -> bool:
    """Whether a process exists and has not ended; a zombie has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def gone_after(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_parents_that_are_killed(tmp_path: Path) -> None:
    """SIGKILL cannot be caught: only a watcher sees it. Who ignores SIGTERM gets SIGKILL.

    All six at once: three of them take the watcher's grace.
    """
    signals = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    parents: dict[tuple[signal.Signals, str], tuple[subprocess.Popen[bytes], Path]] = {}
    for number, grandchild in product(signals, (SLEEPS, STUBBORN)):
        path = tmp_path / f"pids-{len(parents)}"
        command = [sys.executable, "-c", PARENT, str(path), grandchild]
        parent = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        parents[number, grandchild] = (parent, path)
    pids = {case: wait_for(path) for case, (_, path) in parents.items()}
    for _, path in parents.values():
        wait_for(path.with_name(f"{path.name}-watched"))
    assert all(alive(pid) for numbers in pids.values() for pid in numbers)
    for (number, _), (parent, _) in parents.items():
        os.kill(parent.pid, number)
    for parent, _ in parents.values():
        parent.wait(30)
    assert gone_after([pid for numbers in pids.values() for pid in numbers], WATCHER_GRACE_S + 10)


def test_a_parent_that_goes_on(tmp_path: Path) -> None:
    """After the block nothing is left, not even a child of a child that ended by itself."""
    leaves = CHILD.replace(SLEEPS, "")
    command = [sys.executable, "-c", leaves, str(tmp_path / "pids"), SLEEPS]
    with (tmp_path / "log").open("wb") as log, child_group(command, log, os.environ, 1) as process:
        assert process.wait(30) == 0
        pids = wait_for(tmp_path / "pids")
        assert alive(pids[1])
    assert not any(map(alive, pids))
