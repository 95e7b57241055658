"""`python -m benchmarks.quality.statistics_table`: the judge's statistics against naive ones.

Runs every simulation with the naive formula and with ours. Prints the table and, on the last line,
the figures as JSON. The table replaces results/statistics.md. Takes about ten minutes of one core.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

from benchmarks.quality import simulations
from benchmarks.quality.choice_simulations import (
    best_checkpoint,
    best_student,
    labelled_best,
    search_winner,
)
from benchmarks.quality.tally import SimulatedFigure
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from data.records import Record

STATISTICS_RESULTS = ROOT / "benchmarks" / "results" / "statistics.md"


class StatisticsFigures(Record):
    """The figures of this benchmark."""

    figures: tuple[SimulatedFigure, ...]


def statistics_table(figures: Sequence[SimulatedFigure]) -> str:
    """The simulations in Markdown."""
    lines = [
        "| simulation | measure | should be | naive | ours | draws |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {f.simulation} | {f.measure} | {f.wanted} | {f.naive:.1f} | {f.ours:.1f} | {f.draws} |"
        for f in figures
    ]
    return "\n".join(lines)


def all_simulations() -> Iterator[SimulatedFigure]:
    """Every simulation, in the order of the page."""
    for count in (2, 9, 24):
        yield from best_student(count)
    yield from labelled_best()
    for count in (1, 2):
        yield from best_checkpoint(count)
    yield from search_winner()
    yield from simulations.repeated_questions()
    yield from simulations.few_rows()
    yield from simulations.missing_verdicts()
    yield from simulations.other_errors()
    yield from simulations.repeated_labels()
    yield from simulations.causes_of_bias()


def main(argv: list[str] | None = None) -> int:
    """Simulates, and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.statistics_table", description=__doc__
    )
    parser.parse_args(argv)
    setting = conditions(("numpy", "scipy"))
    figures = StatisticsFigures(figures=tuple(all_simulations()))
    text = (
        f"# What the judge's statistics correct\n\n{setting}\n\n"
        "Each simulation by the naive formula and by ours; the files `*simulations.py` beside the "
        "benchmark say how they draw. Val has 76 rows, as the demo's. Naive are: the score on the "
        "rows that chose, Student's t by question, tests by row, Student's t of differences, fails "
        "counted on rows without all verdicts, labels of other systems' answers, labels taken as "
        "independent, each cause of bias alone.\n\n"
        f"{statistics_table(figures.figures)}\n"
    )
    publish(text, figures, STATISTICS_RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
