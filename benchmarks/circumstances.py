"""What a benchmark's figures hold for: date, machine, versions, commit."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from pipeline.git import commit


def circumstances(packages: Sequence[str]) -> str:
    """One line; the load is that of other processes, so it is to be asked for at the start."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} CPU cores ({platform.machine()}), load "
        f"{os.getloadavg()[0]:.1f} from other processes at the start, Python "
        f"{platform.python_version()}, {versions}, commit {commit()[:12]}."
    )
