"""What a benchmark says at its end: what the figures hold for, the table, the figures as JSON."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from config.checkout import checkout_commit
from data.atomic_write import write_text
from data.records import Record


def circumstances(packages: Sequence[str]) -> str:
    """One line; the load is that of other processes, so it is to be asked for at the start."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} CPU cores ({platform.machine()}), load "
        f"{os.getloadavg()[0]:.1f} from other processes at the start, Python "
        f"{platform.python_version()}, {versions}, commit {checkout_commit()[:12]}."
    )


def tell(text: str, figures: Record, results: Path | None) -> None:
    """Prints the text and, on the last line, the figures; `results`: the file that it replaces."""
    print(text)
    if results is not None:
        write_text(results, text)
    print(figures.model_dump_json())
