"""A benchmark's figures beside their limits, in Markdown."""

from collections.abc import Mapping

from data.records import Record

Limits = Mapping[str, tuple[bool, float]]  # figure → whether it is to be at most this, or at least


def limit_lines(figures: Record, limits: Limits, how: Mapping[str, str]) -> list[str]:
    """The lines of a table: each figure, its limit, and how it was measured."""
    lines = ["| figure | measured | limit | how |", "| --- | --- | --- | --- |"]
    for name, value in figures.model_dump().items():
        most, limit = limits[name]
        shown = f"{value:,.0f}" if limit >= 100 else f"{value:.3f}"
        bound = f"{'≤' if most else '≥'} {limit:,g}"
        lines.append(f"| {name} | {shown} | {bound} | {how[name]} |")
    return lines
