"""The result of a benchmark: conditions, figures beside their limits, Markdown and JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from config.checkout import checkout_commit
from data.atomic_write import write_text
from data.records import Record


class Limit(NamedTuple):
    """The bound of a figure, if it has one, and how the figure is measured."""

    sign: str  # "≤" or "≥"
    bound: float | None
    method: str


def conditions(packages: Sequence[str]) -> str:
    """One line on machine and versions; call it first, as the load must not be the benchmark's."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} CPU cores ({platform.machine()}), load "
        f"{os.getloadavg()[0]:.1f} from other processes at the start, Python "
        f"{platform.python_version()}, {versions}, commit {checkout_commit()[:12]}."
    )


def limits_table(figures: Record, limits: Mapping[str, Limit]) -> list[str]:
    """A Markdown table, as lines: each figure, its limit, and how it was measured.

    None: not measured.
    """
    lines = ["| figure | measured | limit | how |", "| --- | --- | --- | --- |"]
    for name, value in figures.model_dump().items():
        sign, bound, method = limits[name]
        places = 0 if bound is not None and bound >= 100 else 3
        measured = "—" if value is None else f"{value:,.{places}f}"
        limit = "" if bound is None else f"{sign} {bound:,g}"
        lines.append(f"| {name} | {measured} | {limit} | {method} |")
    return lines


def publish(text: str, figures: Record, page: Path | None) -> None:
    """Prints the text and, on the last line, the figures as JSON; replaces `page` by the text."""
    print(text)
    if page is not None:
        write_text(page, text)
    print(figures.model_dump_json())
