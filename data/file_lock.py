"""A lock on a file, so that one process at a time writes it."""

import fcntl
import os
from pathlib import Path
from typing import IO

from config.errors import DataError
from data.atomic_write import write_error


def lock_file(path: Path, wait: bool = False) -> IO[str]:
    """Locks `path` until the returned file is closed or this process ends.

    Raises DataError with the holder's process number when the file is locked, unless `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise DataError(f"{path}: process {holder} is writing it; wait for it or end it") from None
    try:
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    except OSError as error:
        raise write_error(path, 0, error) from error
    return lock
