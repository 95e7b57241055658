"""Reads everything that a run has left on disk into one value.

Knows where the files are and what they hold. A part that is missing is None or empty; the report
then says "not run". The other files of this folder interpret the parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import ConfigDict
from typing_extensions import TypedDict

from config.peft_methods import Served
from config.schema import Config
from data.answers import Answer, read_answers
from data.data_quality import DataQuality
from data.jsonl import read_appended, read_records, read_stored_record
from data.rows import Row
from data.run_paths import RunPaths
from data.stage_times import StageTimes
from data.stored_file import is_stored
from judge.calibration.record import Calibration
from judge.case_records import ServeReason
from judge.records import (
    BASE,
    TEACHER,
    ArmScore,
    Comparison,
    JudgeResult,
    RuleScore,
    StrictScore,
)
from judge.summary.records import JudgeSummary
from judge.verdict import Verdict
from prompts.check_settings import LlmCheck
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile, ScoredRule, rules_sha256
from student.records import SearchResult, Step, StudentChoice, TrainingResult
from teacher.audit import Audit


class _Manifest(TypedDict, total=False):
    """The fields of manifest.json that are read; all of them are shown."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]
    hardware: dict[str, Any]
    template_kwargs: dict[str, Any]


class _AdapterConfig(TypedDict, total=False):
    """The fields of peft's adapter_config.json that are shown."""

    base_model_name_or_path: str | None
    r: int | None
    revision: str | None


@dataclass(frozen=True)
class TrainingFiles:
    """What the training of one student has left."""

    steps: tuple[Step, ...]
    result: TrainingResult | None

    @property
    def speed(self) -> float | None:
        """Tokens per second that the student read, median over steps."""
        speeds = [step.tokens_per_s for step in self.steps if step.tokens_per_s is not None]
        return median(speeds) if speeds else None


@dataclass(frozen=True)
class SavedStudent:
    """The best student in the form in which it is served."""

    method: str
    served: Served
    path: Path  # of the adapter, or of merged weights
    base: str  # as the adapter's config names it
    rank: int | None  # of a low-rank adapter
    revision: str | None  # commit of a base on the hub
    chat_template: Path | None  # leaves out the prompt of a client that sends it


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, read."""

    config: Config
    run: RunPaths
    prompt: Prompt
    rules: RuleFile
    manifest: Mapping[str, Any] | None
    quality: DataQuality | None
    rows: tuple[Row, ...] | None  # of val
    answers: Mapping[str, tuple[Answer, ...]]  # arm → its answers to val; only arms that answered
    audit: Audit | None
    training: Mapping[str, TrainingFiles]  # by student; only those whose training began
    choice: StudentChoice | None
    search: SearchResult | None
    saved: SavedStudent | None
    verdicts: tuple[Verdict, ...] | None
    judged: JudgeResult | None  # val
    summary: JudgeSummary  # empty where the rules, prompt or best student changed since
    calibration: Calibration | None  # None: none, or of a judge with another fingerprint
    timings: StageTimes | None
    hidden: Path | None  # the hidden set with the best student's answers

    @property
    def student(self) -> str | None:
        """The arm of the best student."""
        return None if self.choice is None else f"student/{self.choice.best}"

    @property
    def arms(self) -> tuple[str, ...]:
        """The compared arms, in the order in which every table shows them."""
        student = self.student
        students = () if student is None else (student, f"{student}+prompt")
        return (BASE, TEACHER, *students)

    @property
    def folded(self) -> bool:
        """Whether the run had no GPU: adapters are then folded into the weights to answer."""
        return self._hardware.get("gpus") == []

    @property
    def precision(self) -> str:
        """The torch dtype of the run."""
        return str(self._hardware.get("precision", "bfloat16"))

    @property
    def _hardware(self) -> dict[str, Any]:
        return dict((self.manifest or {}).get("hardware", {}))

    @property
    def llm_checked(self) -> tuple[ScoredRule, ...]:
        """The rules whose check is a language model."""
        rules = self.rules.scored_rules()
        return tuple(scored for scored in rules if isinstance(scored.rule.check, LlmCheck))

    @property
    def reasons_not_to_serve(self) -> tuple[ServeReason, ...]:
        """The judge's reasons against the best student; none where another one was judged."""
        serving = self.judged.serving if self.judged else None
        return serving.reasons if serving and serving.student == self.student else ()

    def score(self, arm: str) -> ArmScore | None:
        """The scores of an arm on val; None when it was not judged."""
        return self.judged.scores.arms.get(arm) if self.judged else None

    def strict(self, arm: str) -> StrictScore | None:
        """The strict score of an arm that is the headline."""
        return self.judged.scores.strict_of(arm) if self.judged else None

    @property
    def strict_name(self) -> str:
        """The name of the strict score that is the headline, as the pages write it."""
        name = self.judged.scores.headline if self.judged else "strict"
        return "strict adherence" if name == "strict" else name

    def rule(self, arm: str, rule: str) -> RuleScore | None:
        """The score of one rule on an arm."""
        score = self.score(arm)
        return score.rules.get(rule) if score else None

    def comparison(self, against: str, what: str | None = None) -> Comparison | None:
        """The best student against another arm, by a rule or the strict score of the headline.

        None when they were not compared.
        """
        if self.judged is None:
            return None
        scores = self.judged.scores
        key = (self.student, against, what or scores.headline)
        return next((c for c in scores.comparisons if (c.student, c.against, c.what) == key), None)


def read_run(config: Config, root: Path = Path()) -> RunFiles:
    """The files of an experiment's run; the prompt's paths are relative to `root`.

    Raises DataError when a file is broken.
    """
    run = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, root)
    choice = read_stored_record(run.choice, StudentChoice)
    summary = read_stored_record(run.summary, JudgeSummary) or JudgeSummary()
    student = None if choice is None else f"student/{choice.best}"
    current = (rules_sha256(rules), prompt.sha256, student)
    stale = (summary.rules_sha256, summary.prompt_sha256, summary.student) != current
    if stale or (summary.calibration is not None and not is_stored(run.calibration)):
        summary = JudgeSummary()
    judged = read_stored_record(run.scores, JudgeResult)
    if judged is not None and judged.judge is not None and summary.judge is not None:
        judged = judged.model_copy(update={"judge": summary.judge})
    calibrated = summary.calibration is not None
    return RunFiles(
        config=config,
        run=run,
        prompt=prompt,
        rules=rules,
        manifest=read_stored_record(run.manifest, _Manifest),
        quality=read_stored_record(run.quality, DataQuality),
        rows=tuple(run.rows("val")) if is_stored(run.split("train")) else None,
        answers=_answers(config, run),
        audit=read_stored_record(run.audit, Audit),
        training=_training(config, run),
        choice=choice,
        search=read_stored_record(run.search, SearchResult),
        saved=_saved(config, run, choice),
        verdicts=tuple(read_records(run.verdicts, Verdict)) if is_stored(run.verdicts) else None,
        judged=judged,
        summary=summary,
        calibration=read_stored_record(run.calibration, Calibration) if calibrated else None,
        timings=read_stored_record(run.timings, StageTimes),
        hidden=next(iter(sorted(run.best.glob("hidden_answers.*"))), None),
    )


def _answers(config: Config, run: RunPaths) -> dict[str, tuple[Answer, ...]]:
    students = [f"student/{student.name}" for student in config.students]
    arms = [BASE, TEACHER, *students, *(f"{arm}+prompt" for arm in students)]
    answers = {arm: tuple(read_answers(run.answers(arm))) for arm in arms}
    return {arm: of_arm for arm, of_arm in answers.items() if of_arm}


def _training(config: Config, run: RunPaths) -> dict[str, TrainingFiles]:
    files = {}
    for student in config.students:
        folder = run.student(student.name)
        metrics = folder / "metrics.jsonl"
        if is_stored(metrics):
            result = read_stored_record(folder / "result.json", TrainingResult)
            files[student.name] = TrainingFiles(tuple(read_appended(metrics, Step)), result)
    return files


def _saved(config: Config, run: RunPaths, choice: StudentChoice | None) -> SavedStudent | None:
    best = None if choice is None else choice.best
    method = next((student.method for student in config.students if student.name == best), None)
    adapter, merged = run.best / "adapter", run.best / "merged"
    values = read_stored_record(adapter / "adapter_config.json", _AdapterConfig) or {}
    if method is None or not (values or is_stored(merged / "config.json")):
        return None
    served = method.served
    base = values.get("base_model_name_or_path") or config.model.name
    path = merged if served == "folded" else adapter
    return SavedStudent(
        method.kind,
        served,
        path,
        base,
        rank=values.get("r"),
        revision=values.get("revision"),
        chat_template=run.chat_template if is_stored(run.chat_template) else None,
    )
