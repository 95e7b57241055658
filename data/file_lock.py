"""Locks on files: one process at a time writes a file, one command at a time a part of a run.

A lock lasts until its file is closed or its process ends, however it ends. A claim is inherited by
the children that `config.child_group` starts, and lasts as long as any of them. Only the descriptor
is locked, by `filelock.lock_descriptor`, and it is never unlocked but closed: unlocking would end
the claims of children too. On Windows locks are not inherited, so a claim ends with its command,
and who comes second cannot read whose it is.
"""

import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from config.console import print
from config.errors import DataError
from data.atomic_write import write_error
from data.stored_file import make_folder

_COMMAND_CHARACTERS = 100


class _LockedError(DataError):
    """Another process holds the lock."""


def lock_file(path: Path, wait: bool = False) -> IO[str]:
    """Locks `path` until the returned file is closed or this process ends.

    Raises DataError with the holder's process and command when it is locked, unless `wait`.
    """
    return _lock(path.with_name(path.name + ".lock"), path, wait)


@contextmanager
def claim(root: Path, *parts: str, wait: bool = False) -> Iterator[None]:
    """Claims parts of a run for this command and the children that it starts.

    Raises DataError with the holder's process and command when a part is claimed. With `wait` it
    prints that line and waits. A run without a folder has nothing to protect.
    """
    with ExitStack() as locks:
        for part in parts if root.is_dir() else ():
            lock = locks.enter_context(_claim_part(root, part, wait))
            os.set_inheritable(lock.fileno(), True)
        yield


def _claim_part(root: Path, part: str, wait: bool) -> IO[str]:
    lock_path, path = root / "claims" / f"{part}.lock", root / part
    try:
        return _lock(lock_path, path, wait=False)
    except _LockedError as error:
        if not wait:
            raise
        print(f"waiting: {error}", file=sys.stderr, flush=True)
        return _lock(lock_path, path, wait=True)


def _lock(lock_path: Path, path: Path, wait: bool) -> IO[str]:
    from filelock import lock_descriptor  # 0.2 s

    make_folder(lock_path.parent)
    lock = lock_path.open("a+", encoding="utf-8", errors="replace")
    try:
        if not lock_descriptor(lock.fileno(), blocking=wait):
            message = _holder(lock_path, lock)
            lock.close()
            raise _LockedError(f"{path}: {message}")
    except OSError as error:  # a full disk, or a file system without locks
        with suppress(OSError):
            lock.close()
        raise write_error(lock_path, 0, error) from error
    except BaseException:  # interrupted while it waits
        lock.close()
        raise
    with suppress(OSError):  # a full disk: only who comes second would read it
        os.ftruncate(lock.fileno(), 0)
        note = "\n".join((str(os.getpid()), platform.node(), _own_command()))
        os.write(lock.fileno(), note.encode(errors="replace"))
    return lock


def _own_command() -> str:
    """The command of this process, without overrides: their values may be secret."""
    words = sys.orig_argv
    if "-m" in words:
        words = ["python", *words[words.index("-m") :]]
    line = shlex.join(word for word in words if "=" not in word)
    return " ".join(line.split())[:_COMMAND_CHARACTERS]


def _holder(lock_path: Path, lock: IO[str]) -> str:
    """Who holds the lock, by what it wrote there and by the processes that have the file open."""
    try:
        lock.seek(0)
        content = lock.read()
    except OSError:  # Windows locks what is written there, too
        return "another process is writing it; wait for it or end it"
    pid, node, command = (*content.split("\n"), "", "", "")[:3]
    if node != platform.node():
        where = f"process {pid or 'unknown'} on {node or 'another machine'}"
        return f"{where} is writing it ({command}); wait for it or end it there"
    if _exists(pid):
        return f"process {pid} is writing it ({command}); wait for it or end it: kill {pid}"
    children = " ".join(_open_in(lock_path))
    way_out = f"wait some seconds, or end it: kill -9 {children}" if children else "run again"
    return f"process {pid} ({command}) has ended, but what it started is writing still; {way_out}"


def _exists(pid: str) -> bool:
    import psutil

    with suppress(ValueError, OverflowError):
        return bool(psutil.pid_exists(int(pid)))
    return False


def _open_in(lock_path: Path) -> Iterator[str]:
    """The numbers of the other processes that have this file open, as far as they can be seen."""
    import psutil

    target = str(lock_path.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and target in {
                file.path for file in process.open_files()
            }:
                yield str(process.pid)
