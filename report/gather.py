"""Reads everything that a run has left on disk into one value.

Knows where things lie and what they are. A part that is not there is None or empty: the report
then says "not run"; what the parts mean is left to the other files of this folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from config.errors import DataError
from config.peft_methods import Served, served_as
from config.schema import Config
from data.answers import Answer, read_answers
from data.jsonl import read_records
from data.prepare import DataQuality
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.import_labels import Labels
from judge.calibration.record import Calibration, load_calibration, noted_fingerprint
from judge.metrics.drift import AnsweredSplit
from judge.metrics.interval import Refusal
from judge.records import JudgeResult
from judge.run import judged_side
from judge.verdict import Verdict
from prompts.prompt_file import Prompt, load_prompt
from prompts.rules import RuleFile
from student.records import SearchResult, Step, StudentChoice, TrainingResult
from teacher.audit import Audit

BASE, TEACHER = "base", "teacher"

_T = TypeVar("_T")


@dataclass(frozen=True)
class Training:
    """What one student left about its training."""

    steps: tuple[Step, ...]
    result: TrainingResult | None


@dataclass(frozen=True)
class Saved:
    """The best student as it is to be served."""

    method: str
    served: Served
    path: Path  # of the adapter, or of merged weights
    base: str  # as the adapter's own config names it
    rank: int | None  # of a low-rank adapter


@dataclass(frozen=True)
class RunFiles:
    """A run as found."""

    config: Config
    run: RunPaths
    prompt: Prompt
    rules: RuleFile
    manifest: Mapping[str, Any] | None
    quality: DataQuality | None
    rows: tuple[Row, ...] | None  # of val
    answers: Mapping[str, tuple[Answer, ...]]  # arm → its answers to val; only arms that answered
    audit: Audit | None
    training: Mapping[str, Training]  # student → its training; only those that began
    choice: StudentChoice | None
    search: SearchResult | None
    saved: Saved | None
    verdicts: tuple[Verdict, ...] | None
    judged: JudgeResult | None
    val: (
        AnsweredSplit | None
    )  # val on one board; None: not judged, or by other rules than those of today
    calibration: Calibration | Refusal  # of the judge as it judged, or of its code rules alone
    hidden_judged: JudgeResult | None
    unseen: AnsweredSplit | None  # the hidden set, likewise
    hidden_calibration: Calibration | Refusal  # likewise, of the judge of the hidden set
    labels: Labels | None  # what people said of the arms' answers
    timings: Mapping[str, float] | None  # stage → seconds
    hidden: Path | None  # the hidden set with the best student's answers

    @property
    def student(self) -> str | None:
        """The arm of the best student."""
        return None if self.choice is None else f"student/{self.choice.best}"

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are compared, in the order in which they are shown everywhere."""
        mine = self.student
        return (BASE, TEACHER) if mine is None else (BASE, TEACHER, mine, f"{mine}+prompt")

    @property
    def refused(self) -> str | None:
        """Why there is no calibration of this judge; None where there is one."""
        return self.calibration.reason if isinstance(self.calibration, Refusal) else None

    @property
    def folded(self) -> bool:
        """Whether the run had no GPU, where adapters are folded into the weights to answer."""
        return self._hardware.get("gpus") == []

    @property
    def precision(self) -> str:
        """The type in which the run computed."""
        return str(self._hardware.get("precision", "bfloat16"))

    @property
    def _hardware(self) -> dict[str, Any]:
        hardware = (self.manifest or {}).get("hardware")
        return hardware if isinstance(hardware, dict) else {}


def gather(config: Config, root: Path = Path()) -> RunFiles:
    """The run of an experiment; the prompt's paths are relative to `root`.

    Raises DataError when a file is there but is not what it should be.
    """
    run = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, root)
    verdicts = run.verdicts
    choice = _json(run.choice, TypeAdapter(StudentChoice))
    judged = _json(run.scores, TypeAdapter(JudgeResult))
    calibration = _calibration(run, prompt, rules, judged)
    hidden_judged = _json(run.hidden_scores, TypeAdapter(JudgeResult))
    hidden_calibration = _calibration(run, prompt, rules, hidden_judged)
    return RunFiles(
        config=config,
        run=run,
        prompt=prompt,
        rules=rules,
        manifest=_json(run.manifest, TypeAdapter(dict[str, Any])),
        quality=_json(run.quality, TypeAdapter(DataQuality)),
        rows=tuple(run.rows("val")) if run.split("train").exists() else None,
        answers=_answers(config, run),
        audit=_json(run.audit, TypeAdapter(Audit)),
        training=_training(config, run),
        choice=choice,
        search=_json(run.search, TypeAdapter(SearchResult)),
        saved=_saved(config, run, choice),
        verdicts=tuple(read_records(verdicts, Verdict)) if verdicts.exists() else None,
        judged=_known(judged, calibration),
        val=judged_side(run, "val", rules),
        calibration=calibration,
        hidden_judged=_known(hidden_judged, hidden_calibration),
        unseen=judged_side(run, "hidden", rules),
        hidden_calibration=hidden_calibration,
        labels=_json(run.labels, TypeAdapter(Labels)),
        timings=_json(run.root / "timings.json", TypeAdapter(dict[str, float])),
        hidden=next(iter(sorted(run.best.glob("hidden_answers.*"))), None),
    )


def _calibration(
    run: RunPaths, prompt: Prompt, rules: RuleFile, judged: JudgeResult | None
) -> Calibration | Refusal:
    """The calibration of the judge that judged, else that of its code rules alone.

    Refused, with what differs, when neither is there. Raises DataError when the file is broken.
    """
    note = judged.judge if judged else None
    found = load_calibration(run.calibration, noted_fingerprint(rules, prompt, note))
    if isinstance(found, Refusal) and note is not None:
        code = load_calibration(run.calibration, noted_fingerprint(rules, prompt, None))
        return found if isinstance(code, Refusal) else code
    return found


def _known(judged: JudgeResult | None, found: Calibration | Refusal) -> JudgeResult | None:
    """The result as the calibration of today sees its judge: it may be newer than the scores."""
    if judged is None or judged.judge is None:
        return judged
    holds = (
        isinstance(found, Calibration) and found.judge.model is not None and found.representative
    )
    note = judged.judge.model_copy(update={"calibrated": holds})
    return judged.model_copy(update={"judge": note})


def _answers(config: Config, run: RunPaths) -> dict[str, tuple[Answer, ...]]:
    students = [f"student/{student.name}" for student in config.students]
    arms = [BASE, TEACHER, *students, *(f"{arm}+prompt" for arm in students)]
    found = {arm: tuple(read_answers(run.answers(arm))) for arm in arms}
    return {arm: answers for arm, answers in found.items() if answers}


def _training(config: Config, run: RunPaths) -> dict[str, Training]:
    found = {}
    for student in config.students:
        folder = run.student(student.name)
        metrics = folder / "metrics.jsonl"
        if metrics.exists():
            result = _json(folder / "result.json", TypeAdapter(TrainingResult))
            found[student.name] = Training(tuple(read_records(metrics, Step)), result)
    return found


def _saved(config: Config, run: RunPaths, choice: StudentChoice | None) -> Saved | None:
    best = None if choice is None else choice.best
    method = next((one.method for one in config.students if one.name == best), None)
    adapter, merged = run.best / "adapter", run.best / "merged"
    values = _json(adapter / "adapter_config.json", TypeAdapter(dict[str, Any])) or {}
    if method is None or not (values or (merged / "config.json").exists()):
        return None
    served = served_as(method)
    base = str(values.get("base_model_name_or_path", config.model.name))
    path = merged if served == "folded" else adapter
    return Saved(method.kind, served, path, base, values.get("r"))


def _json(path: Path, kind: TypeAdapter[_T]) -> _T | None:
    """The value in a JSON file; None when there is none."""
    if not path.exists():
        return None
    try:
        return kind.validate_json(path.read_bytes())
    except ValidationError as error:
        line = str(error).splitlines()[0]
        raise DataError(f"{path}: {line}; remove the file to make it again") from None
