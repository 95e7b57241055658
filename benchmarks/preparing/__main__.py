"""`python -m benchmarks.preparing`: from logs to splits at 16,000, 200,000 and a million rows.

Each corpus is prepared in a process of its own. The peer is datasketch's MinHash index, on the
same questions in the same run, where it is installed. Prints a table and, on the last line, the
figures as JSON; the table replaces results/preparing.md.
"""

import argparse
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.preparing.log_corpora import FORMS
from benchmarks.preparing.measure import (
    LeakageSearch,
    Preparation,
    measure_preparation,
    measure_search,
)
from benchmarks.result_page import Limit, conditions, limits_table, publish
from config.checkout import ROOT
from data.records import Record

_PAGE = ROOT / "benchmarks" / "results" / "preparing.md"
_SMALL, _LARGE, _HUGE = 16_000, 200_000, 1_000_000


class PreparingFigures(Record):
    """The benchmark's figures."""

    seconds: float
    templated_seconds: float
    peak_mb: float
    growth: float
    datasketch_over_ours: float | None


PREPARING_LIMITS = {
    "seconds": Limit("≤", 60, "200,000 varied rows, JSONL"),
    "templated_seconds": Limit("≤", 60, "200,000 rows of four templates, many alike, JSONL"),
    "peak_mb": Limit("≤", 500, "the highest of all forms at 200,000 rows"),
    "growth": Limit("≤", None, "seconds at 200,000 ÷ at 16,000 varied rows; 12.5 times the rows"),
    "datasketch_over_ours": Limit(
        "≥", None, "MinHash index over words ÷ our exact search over words and trigrams"
    ),
}


def preparing_figures(
    preparations: Sequence[Preparation], searches: Sequence[LeakageSearch]
) -> PreparingFigures:
    """The figures of what was measured."""
    seconds = {(each.questions, each.form, each.rows): each.seconds for each in preparations}
    search = {each.system: each.seconds for each in searches}
    varied = seconds["varied", "jsonl", _LARGE]
    return PreparingFigures(
        seconds=varied,
        templated_seconds=seconds["templated", "jsonl", _LARGE],
        peak_mb=max(each.peak_mb for each in preparations if each.rows == _LARGE),
        growth=varied / seconds["varied", "jsonl", _SMALL],
        datasketch_over_ours=(
            search["datasketch"] / search["ours"] if "datasketch" in search else None
        ),
    )


def _table(preparations: Sequence[Preparation], searches: Sequence[LeakageSearch]) -> list[str]:
    lines = [
        "| questions | form | rows | file, MB | seconds | rows/s | peak, MB | near duplicates |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.questions} | {each.form} | {each.rows:,} | {each.file_mb:.0f} | "
        f"{each.seconds:.1f} | {each.rows / each.seconds:,.0f} | {each.peak_mb:.0f} | "
        f"{each.near:,} |"
        for each in preparations
    ]
    lines += [
        "",
        "| search for near duplicates | train rows | seconds | peak, MB | questions near val |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.system} | {each.rows:,} | {each.seconds:.1f} | {each.peak_mb:.0f} | "
        f"{each.near:,} |"
        for each in searches
    ]
    return lines


def main() -> None:
    """Measures, prints and writes the page."""
    parser = argparse.ArgumentParser(prog="benchmarks.preparing", description=__doc__)
    parser.add_argument("--million", action="store_true", help="also a million rows, minutes")
    arguments = parser.parse_args()
    head = conditions(["numpy", "scipy", "pyarrow"])
    preparations, searches = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        preparations += [
            measure_preparation(questions, "jsonl", _SMALL, folder)
            for questions in ("varied", "templated")
        ]
        preparations += [measure_preparation("varied", form, _LARGE, folder) for form in FORMS]
        preparations.append(measure_preparation("templated", "jsonl", _LARGE, folder))
        systems = ["ours", *(["datasketch"] if find_spec("datasketch") else [])]
        searches += [measure_search(system, folder / "data") for system in systems]
        if arguments.million:
            preparations.append(measure_preparation("varied", "jsonl", _HUGE, folder))
    figures = preparing_figures(preparations, searches)
    lines = ["# What preparing the logs costs", "", head, ""]
    lines += [*limits_table(figures, PREPARING_LIMITS), "", *_table(preparations, searches)]
    publish("\n".join(lines) + "\n", figures, _PAGE)


if __name__ == "__main__":
    main()
