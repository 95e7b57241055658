"""`python -m benchmarks.quality.guided_effect`: what guided candidates and the recipes change.

The same student learns the answers that each way of helping the teacher adds, with every seed, on
the demo and on a second domain, and answers all val rows. Differences are paired by row and seed.
`generate` samples the teacher's candidates with vLLM, `train` trains and answers (on a GPU if there
is one), `page` scores; without an action, all three. Finished stages are reused, so a killed
benchmark resumes, and `train` may run on another machine. Prints the tables and, on the last line,
the figures as JSON. The tables replace results/guided.md.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.quality.guided_runs import (
    ARMS,
    EXPERIMENTS,
    RECIPES,
    arm_config,
    load_experiment,
    select_arms,
    train_and_answer,
    trainings,
)
from benchmarks.quality.runs import select_answers, val_verdicts
from benchmarks.quality.standings import per_cent
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from config.schema import Config
from data.answers import Answer
from data.jsonl import read_records
from data.records import Record
from data.run_paths import RunPaths
from engine.request_builder import RequestBuilder
from judge.checks.check import EMPTY_ANSWER
from judge.metrics.interval import Interval
from judge.metrics.stats import paired_difference
from judge.metrics.verdict_table import strict
from judge.verdict import Verdict

GUIDED_RESULTS = ROOT / "benchmarks" / "results" / "guided.md"
REFERENCE = ("sampled", "first-token")  # arm and recipe that the others are compared with

SeededVerdicts = Mapping[tuple[int, str], Sequence[Verdict]]  # (seed, row) → verdicts


class ConditionalCounts(Record):
    """Of one conditional rule, over all seeds: how often it was due, and said."""

    due: int
    obeyed: int
    undue: int
    said: int  # of `undue`


class ArmFigures(Record):
    """One arm or recipe on val."""

    arm: str
    recipe: str
    answers: int | None  # that the student learnt; None: no student
    seeds: tuple[float, ...]  # strict adherence by seed
    ordinary: float | None  # strict adherence where no conditional rule is due
    with_prompt: float | None  # strict adherence of the student behind its own prompt
    rules: dict[str, ConditionalCounts]
    over_sampled: Interval | None = None  # strict minus that of REFERENCE


class GuidedFigures(Record):
    """The figures of this benchmark, by experiment."""

    experiments: dict[str, tuple[ArmFigures, ...]]


def conditional_counts(
    rules: Iterable[str], verdicts: SeededVerdicts
) -> dict[str, ConditionalCounts]:
    """Each conditional rule's counts. An empty answer says nothing."""
    counts = {}
    for rule in rules:
        outcomes = [_outcomes(rule, of_answer) for of_answer in verdicts.values()]
        due = [own for own, _ in outcomes if own is not None]
        undue = [alarm for _, alarm in outcomes if alarm is not None]
        counts[rule] = ConditionalCounts(
            due=len(due), obeyed=sum(due), undue=len(undue), said=sum(undue)
        )
    return counts


def _outcomes(rule: str, verdicts: Iterable[Verdict]) -> tuple[bool | None, bool | None]:
    """Whether the rule is obeyed where it is due, and said where it is not; None: the other."""
    obeyed = false_alarm = None
    for verdict in verdicts:
        if verdict.outcome not in ("pass", "fail"):
            continue
        if verdict.rule == rule:
            obeyed = verdict.outcome == "pass"
        elif verdict.rule == f"{rule}_converse":
            false_alarm = verdict.outcome == "fail" and verdict.note != EMPTY_ANSWER
    return obeyed, false_alarm


def arm_figures(
    config: Config, arm: str, recipe: str, answers: int | None, by_seed: Mapping[int, str]
) -> tuple[ArmFigures, dict[tuple[int, str], bool]]:
    """The figures of the answers of some arms (by seed), and their strict scores."""
    rules = RequestBuilder(config).rules
    verdicts = _verdicts(config, by_seed)
    conditional = [rule.id for rule in rules.conditional_rules]
    scores = {key: bool(strict(of_answer, rules.must_rules)) for key, of_answer in verdicts.items()}
    ordinary = [
        scores[key]
        for key, of_answer in verdicts.items()
        if not any(_outcomes(rule, of_answer)[0] is not None for rule in conditional)
    ]
    prompted = _verdicts(config, {seed: f"{name}+prompt" for seed, name in by_seed.items()})
    figures = ArmFigures(
        arm=arm,
        recipe=recipe,
        answers=answers,
        seeds=tuple(_mean([scores[key] for key in scores if key[0] == seed]) for seed in by_seed),
        ordinary=_mean(ordinary) if ordinary else None,
        with_prompt=_mean([bool(strict(v, rules.must_rules)) for v in prompted.values()])
        if prompted
        else None,
        rules=conditional_counts(conditional, verdicts),
    )
    return figures, scores


def _verdicts(config: Config, by_seed: Mapping[int, str]) -> SeededVerdicts:
    return {
        (seed, row): of_answer
        for seed, name in by_seed.items()
        for row, of_answer in val_verdicts(config, name).items()
    }


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


def experiment_figures(config: Config) -> tuple[ArmFigures, ...]:
    """The figures of an experiment: the teacher, and every arm whose students have answered."""
    teacher, _ = arm_figures(config, "teacher", "", None, {0: "teacher"})
    figures, reference = [teacher], None
    by_arm: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for training in trainings(config):
        name = f"student/{training.student.name}"
        if RunPaths.of(training.config).answers(name).exists():
            by_arm[training.arm, training.recipe][training.seed] = name
    for (arm, recipe), by_seed in by_arm.items():
        of_arm = arm_config(config, arm)
        answers = len(list(read_records(RunPaths.of(of_arm).selected, Answer)))
        of_students, scores = arm_figures(of_arm, arm, recipe, answers, by_seed)
        if (arm, recipe) == REFERENCE:
            reference = scores
        elif reference is not None:
            pairs = sorted(scores.keys() & reference.keys())
            new, old = ([float(of[pair]) for pair in pairs] for of in (scores, reference))
            change = paired_difference(new, old, [row for _, row in pairs])
            of_students = of_students.model_copy(update={"over_sampled": change})
        figures.append(of_students)
    return tuple(figures)


def guided_table(figures: Sequence[ArmFigures]) -> str:
    """The figures of one experiment in Markdown."""
    rules = list(figures[0].rules)
    head = ["answers of", "recipe", "answers", "strict", "seeds", "minus sampled", "ordinary rows"]
    head += ["with its prompt", *rules]
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join(['---'] * len(head))} |"]
    for arm in figures:
        strict_mean = sum(arm.seeds) / len(arm.seeds)
        cells = [arm.arm, arm.recipe, "" if arm.answers is None else str(arm.answers)]
        cells += [f"{strict_mean:.1%}", ", ".join(f"{value:.1%}" for value in arm.seeds)]
        cells += [per_cent(arm.over_sampled, sign="+")]
        cells += [
            "—" if share is None else f"{share:.1%}" for share in (arm.ordinary, arm.with_prompt)
        ]
        cells += [
            f"{_share(counts.obeyed, counts.due)} / {_share(counts.said, counts.undue)}"
            for counts in arm.rules.values()
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(count: int, total: int) -> str:
    return f"{count / total:.0%}" if total else "—"


def guided_page(setting: str, figures: GuidedFigures) -> str:
    """The page in Markdown."""
    ways = "\n".join(f"- `{name}`: {_described(name)}" for name in ARMS)
    recipes = "\n".join(
        f"- `{name}`: {', '.join(f'{key} {value}' for key, value in changes.items()) or 'as it is'}"
        for name, changes in RECIPES.items()
    )
    tables = "\n\n".join(
        f"## {name}\n\n{guided_table(arms)}" for name, arms in figures.experiments.items()
    )
    return (
        f"# What guided candidates change\n\n{setting}\n\nStrict adherence on val by the code "
        f"rules, mean of the seeds shown; brackets: 95 % intervals, paired by row and seed, "
        "clustered by question. Of each conditional rule: said where it is due / where it is "
        f"not. *Minus sampled*: beside the students of `{REFERENCE[0]}` with recipe "
        f"`{REFERENCE[1]}`.\n\n"
        f"{ways}\n\nRecipes:\n\n{recipes}\n\n{tables}\n"
    )


def _described(arm: str) -> str:
    ways, limits, _, probes = ARMS[arm]
    changes = "".join(f", {key}: {value}" for key, value in limits.items())
    return f"candidates {', '.join(ways)}{changes}{', answers to probes' if probes else ''}"


def main(argv: list[str] | None = None) -> int:
    """Generates, trains, answers, and prints the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.quality.guided_effect", description=__doc__
    )
    parser.add_argument("action", nargs="?", choices=("generate", "train", "page"))
    parser.add_argument("--jobs", type=int, default=1, help="students trained at a time")
    parser.add_argument("--config", type=Path, nargs="+", default=EXPERIMENTS)
    arguments = parser.parse_args(argv)
    action, jobs = arguments.action, arguments.jobs
    if jobs > 1:  # else each would take every core
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    configs = [load_experiment(path) for path in arguments.config]
    if action in (None, "generate"):
        for config in configs:
            select_answers(config)
            select_arms(config)
    if action in (None, "train"):
        by_experiment = zip(*map(trainings, configs), strict=True)  # in turns
        train_and_answer([training for of_turn in by_experiment for training in of_turn], jobs)
    if action in (None, "page"):
        setting = conditions(("torch", "transformers", "peft", "trl"))
        figures = GuidedFigures(
            experiments={config.name: experiment_figures(config) for config in configs}
        )
        publish(guided_page(setting, figures), figures, GUIDED_RESULTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
