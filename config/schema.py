"""The settings of one experiment: one class per concept, frozen and strict, units at the field.

Knows nothing of how the settings are used. An unknown key is an error (`config.load` adds the
nearest known one).
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from config.backends import check_probabilities
from config.generation import ModelSettings, PredictSettings
from config.judging import JudgeSettings
from config.log_formats import DataSettings
from config.peft_methods import MAX_RANK, LowRank
from config.search_space import SearchSettings
from config.settings import Settings
from config.teaching import ProbeSettings, TeacherSettings
from config.training import StudentSettings, TrackerSettings, WandbSettings


class PromptSettings(Settings):
    """The system prompt and what belongs to it."""

    system: str  # YAML with system_template and user_template
    rules: str  # YAML rule file cut out of that prompt
    examples: str | None = None  # YAML list of worked examples, shown as chat turns
    tags: tuple[str, ...] = ()  # row tags written into the user turn, in this order


class Config(Settings):
    """One experiment."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: int = 0
    runs: str = "runs"  # folder that holds the runs
    prompt: PromptSettings
    data: DataSettings
    model: ModelSettings
    teacher: TeacherSettings = TeacherSettings()
    probes: ProbeSettings | None = None
    students: Annotated[tuple[StudentSettings, ...], Field(min_length=1)]
    predict: PredictSettings = PredictSettings()
    judge: JudgeSettings = JudgeSettings()
    search: SearchSettings | None = None
    wandb: WandbSettings | None = None
    trackio: TrackerSettings | None = None  # local, in its own folder or TRACKIO_DIR

    @model_validator(mode="after")
    def _distinct_students(self) -> "Config":
        names = [student.name for student in self.students]
        if len(set(names)) != len(names):
            raise ValueError(f"students: names must differ, found {names}")
        if "base" in names:
            raise ValueError("students: `base` is the arm without training; rename the student")
        if "search" in names:
            raise ValueError("students: `search` is the search's folder; rename the student")
        return self

    @model_validator(mode="after")
    def _teacher_gives_what_is_asked(self) -> "Config":
        wanted = {
            "teacher": self.teacher.sampling.logprobs,
            "predict": self.predict.sampling.logprobs,
        }
        stored = [student.name for student in self.students if student.needs_stored_logprobs]
        check_probabilities(self.teacher.engine, wanted, stored)
        return self

    @model_validator(mode="after")
    def _students_can_be_made(self) -> "Config":
        earlier: dict[str, StudentSettings] = {}
        for student in self.students:
            _check_start(student, earlier)
            _check_served(student, self.predict)
            if student.needs_stored_logprobs and not self.teacher.sampling.logprobs:
                raise ValueError(
                    f"student {student.name}: kl with teacher: stored needs the teacher's "
                    "probabilities; set teacher.sampling.logprobs: 20, or teacher: adapter_off"
                )
            earlier[student.name] = student
        return self

    @model_validator(mode="after")
    def _candidates_can_be_judged(self) -> "Config":
        if self.teacher.judged and self.judge.llm == "none":
            raise ValueError(
                "teacher.judged: no model judges; name one with judge.llm, or leave it false"
            )
        return self

    @property
    def shows_samples(self) -> bool:
        """Whether some val questions and answers may be shown beside the metrics."""
        return any(one is not None and one.samples for one in (self.wandb, self.trackio))

    def seed_of(self, student: StudentSettings) -> int:
        """Seed of one student: its own, or the experiment's."""
        return self.seed if student.seed is None else student.seed


def _check_start(student: StudentSettings, earlier: Mapping[str, StudentSettings]) -> None:
    if student.start is None:
        return
    if student.start not in earlier:
        raise ValueError(
            f"student {student.name}: start {student.start!r} is no student before it in the list"
        )
    if earlier[student.start].method != student.method:
        raise ValueError(
            f"student {student.name}: start {student.start!r} has another method; "
            "a second stage goes on with the same one"
        )


def _check_served(student: StudentSettings, predict: PredictSettings) -> None:
    method = student.method
    if method.served == "live" and predict.sampling.temperature > 0:
        raise ValueError(
            f"student {student.name}: {method.kind} is answered by transformers, greedily; set "
            "predict.sampling.temperature: 0"
        )
    if predict.serve != "adapter":
        return
    if method.served != "adapter" or (isinstance(method, LowRank) and method.init != "zero"):
        raise ValueError(
            f"student {student.name}: vLLM cannot serve {method.kind} as an adapter; use lora, "
            "rslora or qlora with init: zero, or predict.serve: auto"
        )
    if isinstance(method, LowRank) and method.rank > MAX_RANK:
        raise ValueError(
            f"student {student.name}: rank {method.rank} is over {MAX_RANK}, the most that vLLM "
            "serves as an adapter; lower it, or predict.serve: auto"
        )
