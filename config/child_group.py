"""A child process that ends with this one, however this one ends, and takes its children along.

The child leads a process group of its own. A watcher beside it reads a pipe from this process: its
end comes when this process closes it or dies, by SIGKILL too, and then the watcher ends the group.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

WATCHER_GRACE_S = 5  # seconds between the watcher's SIGTERM and its SIGKILL
_WATCHER = f"""
import os, signal, sys, time
sys.stdin.buffer.read()
group = int(sys.argv[1])
try:
    os.killpg(group, signal.SIGTERM)
    for _ in range({WATCHER_GRACE_S * 20}):
        time.sleep(0.05)
        os.killpg(group, 0)
    os.killpg(group, signal.SIGKILL)
except (ProcessLookupError, PermissionError):
    pass
"""


@contextmanager
def child_group(
    command: Sequence[str], output: IO[bytes] | IO[str], env: Mapping[str, str], end_s: float | None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts a command whose output goes to `output`; ends it and its children afterwards.

    `end_s`: seconds after SIGTERM until SIGKILL; None: waits until the command has ended.
    """
    process = subprocess.Popen(
        command,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(env),
        start_new_session=True,
    )
    watcher = subprocess.Popen(
        [sys.executable, "-SE", "-c", _WATCHER, str(process.pid)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # no signal to a group ends it
    )
    try:
        yield process
    finally:
        try:
            _end(process, end_s)
        finally:
            assert watcher.stdin is not None
            watcher.stdin.close()
            watcher.wait()


def _end(process: "subprocess.Popen[bytes]", end_s: float | None) -> None:
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(end_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
