"""Runs of the demo for the quality benchmarks: training recipes, run folders, strict scores."""

import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import yaml

from config.checkout import ROOT
from config.load import load_config
from config.peft_methods import FullMethod, LoraMethod, PromptTuningMethod
from config.schema import Config
from config.training import Distillation, OnPolicy, StudentSettings
from data.answers import Answer, read_answers, top_logprobs_path
from data.atomic_write import write_text
from data.jsonl import read_records, write_records
from data.run_paths import RunPaths
from engine.hf_engine import HfEngine
from engine.models import resolve_base
from engine.request_builder import RequestBuilder, View
from engine.vllm_engine import VllmEngine
from judge.checks.check import code_verdicts
from judge.metrics.verdict_table import strict
from judge.verdict import Verdict
from student.predict import Engines, Predictor

StrictScores = dict[str, bool]  # row → whether its answer passes every must-rule

# training answers → epochs; None: all answers. Fewer answers get more epochs, so that the number of
# optimiser steps alone does not decide
SIZES: dict[int | None, int] = {None: 2, 100: 3, 50: 4, 25: 6}
_EVAL_ROWS = 16  # val rows that choose the epoch; all val rows are scored

_LORA = LoraMethod(rank=16, alpha=32)
# trained on several numbers of answers
_ANY_SIZE = (
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
# trained on all answers
_ALL_ANSWERS = (
    StudentSettings(
        name="prompt-tuning", method=PromptTuningMethod(), learning_rate=1e-2, batch_size=4
    ),
    StudentSettings(name="full", method=FullMethod(), learning_rate=5e-5, batch_size=4),
)
RECIPES = {
    "ce": "cross-entropy, LoRA",
    "kl": "half cross-entropy, half forward KL to 20 stored probabilities, LoRA",
    "ce-on-policy": "an epoch of on-policy reverse KL after `ce`, LoRA",
    "prompt-tuning": "cross-entropy, 32 virtual tokens started from the prompt's text",
    "full": "cross-entropy, every weight",
}


class TrainingRun(NamedTuple):
    """One run folder: students trained on the same answers with the same seed."""

    size: int | None
    seed: int
    config: Config


def load_demo(*overrides: str) -> Config:
    """The demo's settings for these benchmarks."""
    common = (f"predict.eval_rows={_EVAL_ROWS}", "judge={llm: none}")
    return load_config(ROOT / "config" / "demo.yaml", [*overrides, *common])


def select_answers(demo: Config) -> None:
    """Runs the demo's stages up to the selection of answers."""
    path = _write_config(demo)
    probes = () if demo.probes is None else ("probes",)
    _python("pipeline.prepare_data", path)
    for action in (*probes, "generate", "select"):
        _python("teacher", path, action)


def recipe_students(size: int | None) -> list[StudentSettings]:
    """The students that are trained on so many answers."""
    students = (*_ANY_SIZE, *_ALL_ANSWERS) if size is None else _ANY_SIZE
    epochs = {"epochs": SIZES[size]}
    return [student if student.start else student.model_copy(update=epochs) for student in students]


def prepare_run(
    demo: Config, name: str, size: int | None, seed: int, students: Sequence[StudentSettings]
) -> TrainingRun:
    """A run folder whose students learn a random part of the demo's selected answers."""
    config = demo.model_copy(update={"name": name, "seed": seed, "students": students})
    source, run = RunPaths.of(demo), RunPaths.of(config)
    answers = list(read_records(source.selected, Answer))
    if size is not None:
        chosen = random.Random(seed).sample(range(len(answers)), size)
        answers = [answers[index] for index in sorted(chosen)]
    shutil.copytree(source.data, run.data, dirs_exist_ok=True)
    run.selected.parent.mkdir(exist_ok=True)
    shutil.copy(source.selected_val, run.selected_val)
    write_records(run.selected, answers)
    top_logprobs = top_logprobs_path(run.answers("candidates/train"))
    top_logprobs.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(top_logprobs_path(source.answers("candidates/train")), top_logprobs)
    return TrainingRun(size, seed, config)


def train_runs(runs: Sequence[TrainingRun], jobs: int) -> None:
    """Trains all students, `jobs` runs at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        trainings = [
            pool.submit(_python, "student", _write_config(run.config), "train") for run in runs
        ]
        for training in trainings:
            training.result()


def _write_config(config: Config) -> Path:
    run = RunPaths.of(config)
    run.root.mkdir(parents=True, exist_ok=True)
    values = config.model_dump(mode="json")
    write_text(run.config, yaml.safe_dump(values, allow_unicode=True, sort_keys=False))
    return run.config


def _python(module: str, path: Path, *action: str) -> None:
    """Runs a command of the checkout. Raises CalledProcessError when it fails."""
    subprocess.run([sys.executable, "-m", module, str(path), *action], cwd=ROOT, check=True)


def score_runs(
    demo: Config, runs: Sequence[TrainingRun]
) -> tuple[dict[str, StrictScores], dict[tuple[str, int], dict[int, StrictScores]]]:
    """Strict scores on val: of base and teacher by arm, and of (recipe, answers) by seed."""
    name, length = resolve_base(demo.model), demo.model.max_length
    with closing(VllmEngine(name, length)) as vllm, closing(HfEngine(name, length)) as live:
        engines = Engines(vllm, live)
        predictor = Predictor(demo, engines, False)
        predictor.answer("base", predictor.run.rows("val"), View(prompted=False))
        arms = {arm: strict_scores(demo, arm) for arm in ("base", "teacher")}
        students: dict[tuple[str, int], dict[int, StrictScores]] = {}
        for run in runs:
            predictor = Predictor(run.config, engines, False)
            val = predictor.run.rows("val")
            size = len(list(read_records(predictor.run.selected, Answer)))
            for student in run.config.students:
                arm = f"student/{student.name}"
                predictor.answer(arm, val, View(False, predictor.adapter(student)))
                scores = strict_scores(run.config, arm)
                students.setdefault((student.name, size), {})[run.seed] = scores
    return arms, students


def strict_scores(config: Config, arm: str) -> StrictScores:
    """Row → whether its answer passes every must-rule; the demo's are all checked by code."""
    rules = RequestBuilder(config).rules
    scores = {}
    for row, verdicts in val_verdicts(config, arm).items():
        score = strict(verdicts, rules.must_rules)
        assert score is not None, f"{arm}: row {row} is undecided"
        scores[row] = score
    return scores


def val_verdicts(config: Config, arm: str) -> dict[str, list[Verdict]]:
    """Row → the code rules' verdicts on an arm's answer."""
    run, builder = RunPaths.of(config), RequestBuilder(config)
    rows = {row.id: row for row in run.rows("val")}
    return {
        answer.row: code_verdicts(
            builder.rules, builder.prompt, answer.shown(rows[answer.row]), answer
        )
        for answer in read_answers(run.answers(arm))
    }
