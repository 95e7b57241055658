"""A child process that ends with this one, however this one ends, and takes its children along.

The child leads a process group of its own. A watcher beside it reads a pipe from this process: its
end comes when this process closes it or dies, by SIGKILL too, and then the watcher ends the group.
Child and watcher inherit what is inheritable, which is the claims of this process (data.file_lock):
a claim is free only when nothing of the group is left. Windows has neither groups nor SIGTERM:
there `taskkill` ends the tree of the child at once.
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
group = int(sys.stdin.buffer.readline() or 0)
sys.stdin.buffer.read()
def wait():
    for _ in range({WATCHER_GRACE_S * 20}):
        os.killpg(group, 0)
        time.sleep(0.05)
try:
    if group and os.name == "nt":
        import subprocess
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(group)])
    elif group:
        os.killpg(group, signal.SIGTERM)
        wait()
        os.killpg(group, signal.SIGKILL)
        wait()
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
    watcher = subprocess.Popen(  # first, so that the child is never without one
        [sys.executable, "-SE", "-c", _WATCHER],
        stdin=subprocess.PIPE,
        close_fds=False,
        start_new_session=True,  # no signal to a group ends it
    )
    assert watcher.stdin is not None
    try:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            close_fds=False,
            start_new_session=True,
        )
        try:
            watcher.stdin.write(b"%d\n" % process.pid)
            watcher.stdin.flush()
            yield process
        finally:
            _end(process, end_s)
    finally:
        watcher.stdin.close()
        watcher.wait()


def _end(process: "subprocess.Popen[bytes]", end_s: float | None) -> None:
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], check=False)
        process.wait()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(end_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
