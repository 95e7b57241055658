"""The runs of the benchmark of guided candidates: arms of answers, recipes, and their trainings."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

from config.checkout import ROOT
from config.load import load_config
from config.peft_methods import LoraMethod
from config.schema import Config
from config.training import OnPolicy, StudentSettings
from data.answers import How
from data.run_paths import RunPaths
from engine.hf_engine import HfEngine
from engine.models import resolve_base
from engine.request_builder import View
from prompts.prompt_file import load_prompt
from student.predict import Engines, Predictor
from student.train import train
from teacher.rejection_sampling import select_all
from teacher.scoring import stored_candidates

EXPERIMENTS = (ROOT / "config" / "demo.yaml", ROOT / "config" / "norda.yaml")
PROBES = {"demo": "{floor: 80}", "norda": "{floor: 80, bank: prompts/norda/probes.yaml}"}
SEEDS = (0, 1, 2)
PLAIN = StudentSettings(
    name="plain", method=LoraMethod(rank=16, alpha=32), learning_rate=5e-4, batch_size=4
)
_FIRST_TOKEN: dict[str, object] = {"epochs": 4, "first_token_weight": 8.0}
# what each recipe changes of PLAIN, in the order of the trainings
RECIPES: dict[str, dict[str, object]] = {
    "first-token": _FIRST_TOKEN,
    "weights": {**_FIRST_TOKEN, "case_weights": True},
    "averaging": {**_FIRST_TOKEN, "averaging": 0.1},
    "prompted": {**_FIRST_TOKEN, "prompted_share": 0.3},
    "combined": {**_FIRST_TOKEN, "averaging": 0.1, "case_weights": True, "prompted_share": 0.3},
    "plain": {},
    "first-token-4": {**_FIRST_TOKEN, "first_token_weight": 4.0},
    "first-token-16": {**_FIRST_TOKEN, "first_token_weight": 16.0},
    "epochs6": {**_FIRST_TOKEN, "epochs": 6},
    "epochs4": {"epochs": 4},
    # a published recipe without any selection of answers; an epoch is about 50 steps
    "on-policy": {"objective": OnPolicy(), "learning_rate": 5e-6, "epochs": 1},
}


class AnswerArm(NamedTuple):
    """Which candidates compete, and how they are limited."""

    ways: tuple[How, ...]
    limits: dict[str, object]  # teacher settings that differ from the experiment's
    recipes: tuple[str, ...] = ("first-token",)
    probes: bool = False  # whether answers to made rows compete too


_ALL_WAYS: tuple[How, ...] = ("sampled", "focused", "reminded", "prefilled", "constructed")
_LIMITED: dict[str, object] = {"max_same_text_share": 0.15, "balance": None}
_BALANCED: dict[str, object] = {"max_same_text_share": None, "balance": "logs"}
ARMS: dict[str, AnswerArm] = {
    "sampled": AnswerArm(_ALL_WAYS[:1], _LIMITED, ("first-token", "plain", "on-policy")),
    "focused": AnswerArm(_ALL_WAYS[:2], _LIMITED),
    "reminded": AnswerArm(_ALL_WAYS[:3], _LIMITED),
    "prefilled": AnswerArm(_ALL_WAYS[:4], _LIMITED),
    "constructed": AnswerArm(_ALL_WAYS, _LIMITED),
    "balance": AnswerArm(
        _ALL_WAYS, _BALANCED, tuple(recipe for recipe in RECIPES if recipe != "on-policy")
    ),
    "probes": AnswerArm(
        _ALL_WAYS, _BALANCED, ("first-token", "weights", "averaging", "combined"), probes=True
    ),
}
PROMPTED_ARMS = ("balance", "probes")  # whose students also answer behind their prompt


class GuidedTraining(NamedTuple):
    """One student of one arm."""

    arm: str
    recipe: str
    seed: int
    config: Config  # of the arm's run
    student: StudentSettings


def load_experiment(path: Path) -> Config:
    """The settings of the experiment whose teacher is guided."""
    name = f"guided-{path.stem}"
    overrides = (f"name={name}", "teacher.guided=true", "judge={llm: none}")
    return load_config(path, [*overrides, f"probes={PROBES[path.stem]}"])


def arm_config(config: Config, arm: str) -> Config:
    """The settings of one arm's run, with all its students."""
    students = [
        PLAIN.model_copy(update={**RECIPES[recipe], "name": f"{recipe}-{seed}", "seed": seed})
        for recipe in ARMS[arm].recipes
        for seed in SEEDS
    ]
    teacher = config.teacher.model_copy(update=ARMS[arm].limits)
    changes = {
        "name": f"{config.name}-{arm}",
        "teacher": teacher,
        "probes": config.probes if ARMS[arm].probes else None,
        "students": tuple(students),
    }
    return config.model_copy(update=changes)


def select_arms(config: Config) -> None:
    """Writes the answers that each arm learns into its own run."""
    prompt, rules = load_prompt(config.prompt, Path())
    candidates = stored_candidates(config, prompt, rules)
    for name, arm in ARMS.items():
        of_arm = arm_config(config, name)
        run = RunPaths.of(of_arm)
        copytree(RunPaths.of(config).data, run.data, dirs_exist_ok=True)
        run.selected.parent.mkdir(parents=True, exist_ok=True)
        rows = {row.id for row in run.training_rows(of_arm)}
        due = {row: rules for row, rules in candidates.due.items() if row in rows}
        competing = [
            candidate
            for candidate in candidates.train
            if candidate.answer.how in arm.ways and candidate.answer.row in rows
        ]
        select_all(of_arm, candidates._replace(train=competing, due=due))


def trainings(config: Config) -> Iterator[GuidedTraining]:
    """Every student of every arm, by recipe."""
    configs = {arm: arm_config(config, arm) for arm in ARMS}
    for recipe in RECIPES:
        for arm in (arm for arm in ARMS if recipe in ARMS[arm].recipes):
            by_name = {student.name: student for student in configs[arm].students}
            for seed in SEEDS:
                yield GuidedTraining(arm, recipe, seed, configs[arm], by_name[f"{recipe}-{seed}"])


def train_and_answer(pending: Sequence[GuidedTraining], jobs: int) -> None:
    """Trains the students, `jobs` at a time, and answers val with each, without the prompt and,
    by those of PROMPTED_ARMS, behind it."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        answers = {pool.submit(_train_and_answer, training): training for training in pending}
        for answered in as_completed(answers):
            answered.result()
            training = answers[answered]
            print(f"{training.config.name}, {training.student.name}", flush=True)


def _train_and_answer(training: GuidedTraining) -> None:
    config, student = training.config, training.student
    train(config, student, False)
    live = HfEngine(resolve_base(config.model), config.model.max_length)
    with closing(live):
        predictor = Predictor(config, Engines(live, live), False)
        adapter = predictor.adapter(student)
        for prompted in (False, True) if training.arm in PROMPTED_ARMS else (False,):
            arm = f"student/{student.name}" + ("+prompt" if prompted else "")
            predictor.answer(arm, predictor.run.rows("val"), View(prompted, adapter))
