"""The settings of one experiment, and the checks that involve several sections.

Units and meanings stand at the fields. An unknown key is an error; `config.load` suggests a known
one.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from config.generation import ModelSettings, PredictSettings, ProbeSettings, TeacherSettings
from config.judging import EMBEDDED_GPU_MEMORY, JudgeSettings
from config.log_formats import DataSettings
from config.peft_methods import MAX_RANK, LoraMethod
from config.search_space import SearchSettings
from config.settings import Settings
from config.training import StudentSettings, Trackers


class PromptSettings(Settings):
    """The system prompt, its rules and its worked examples."""

    # YAML with system_template and user_template, or the prompt itself (.txt, .md)
    system: Annotated[str, Field(description="the file of the system prompt")]
    # YAML rule file of that prompt
    rules: Annotated[
        str,
        Field(
            description="the file of its rules; `unprompted judge CONFIG draft-rules` writes one"
        ),
    ]
    examples: str | None = None  # YAML list of worked examples, rendered as chat turns
    tags: tuple[str, ...] = ()  # row tags to write into the user turn, in this order


class Config(Settings):
    """One experiment."""

    further_keys: ClassVar = ("extends",)  # that `config.load` reads

    # of the run, and of its folder in `runs`
    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
            description="letters, digits, '.', '_' and '-', with a letter or digit in front",
        ),
    ]
    seed: int = 0  # of sampling, shuffling and training
    runs: str = "runs"  # folder of all runs
    prompt: PromptSettings
    data: DataSettings
    model: ModelSettings
    teacher: TeacherSettings = TeacherSettings()
    probes: ProbeSettings | None = None
    students: Annotated[tuple[StudentSettings, ...], Field(min_length=1)]
    predict: PredictSettings = PredictSettings()
    judge: JudgeSettings = JudgeSettings()
    search: SearchSettings | None = None
    report_to: Trackers = ()  # wandb, trackio, tensorboard, mlflow: names, or settings with `kind`

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        mistakes: list[str] = []
        for check in (
            self._distinct_students,
            self._distinct_trackers,
            self._engine_returns_logprobs,
            self._students_can_be_trained,
            self._candidates_have_a_judge,
        ):
            try:
                check()
            except ValueError as error:
                mistakes.append(str(error))
        if mistakes:
            raise ValueError("\n".join(mistakes))  # a line each
        return self

    def _distinct_students(self) -> None:
        names = [student.name for student in self.students]
        if len(set(names)) != len(names):
            raise ValueError(f"students: names must differ, but are {names}; rename one")
        reserved = {"base": "the untrained arm", "search": "the search's folder"}
        for name, owner in reserved.items():
            if name in names:
                raise ValueError(f"students: `{name}` is the name of {owner}; rename the student")

    def _distinct_trackers(self) -> None:
        kinds = [tracker.kind for tracker in self.report_to]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise ValueError(f"report_to: names {kind} twice; keep one")

    def _engine_returns_logprobs(self) -> None:
        engine = self.teacher.engine
        if engine.gives_tokens:
            return
        way_out = "same_tokenizer: true if vLLM serves a model with the base's tokenizer"
        for student in self.students:
            if student.needs_stored_logprobs:
                raise ValueError(
                    f"student {student.name}: kl with teacher: stored needs probabilities of the "
                    f"base's tokens, but teacher.engine {engine.kind} returns text; set teacher: "
                    f"adapter_off, or {way_out}"
                )
        for section, settings in (("teacher", self.teacher), ("predict", self.predict)):
            if settings.sampling.logprobs is not None:
                raise ValueError(
                    f"{section}.sampling.logprobs {settings.sampling.logprobs}: teacher.engine "
                    f"{engine.kind} returns text; set it to null, or {way_out}"
                )

    def _students_can_be_trained(self) -> None:
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

    def _candidates_have_a_judge(self) -> None:
        if self.teacher.score_with_llm and self.judge.llm == "none":
            raise ValueError(
                "teacher.score_with_llm: there is no judge model; set judge.llm, or "
                "teacher.score_with_llm: false"
            )
        share = self.model.gpu_memory + EMBEDDED_GPU_MEMORY
        if self.teacher.score_with_llm and self.judge.llm == "embedded" and share > 0.95:
            raise ValueError(
                f"model.gpu_memory {self.model.gpu_memory:g}: the embedded judge's server needs "
                f"{EMBEDDED_GPU_MEMORY:g} of the same card beside the teacher; set it to "
                f"{0.95 - EMBEDDED_GPU_MEMORY:.2f} or less"
            )

    @property
    def shows_samples(self) -> bool:
        """Whether a tracker also logs some val questions and answers."""
        return any(tracker.samples for tracker in self.report_to)

    def seed_of(self, student: StudentSettings) -> int:
        """The student's own seed, or the experiment's."""
        return self.seed if student.seed is None else student.seed


def _check_start(student: StudentSettings, earlier: Mapping[str, StudentSettings]) -> None:
    if student.start is None:
        return
    if student.start not in earlier:
        raise ValueError(
            f"student {student.name}: start {student.start!r} is not an earlier student of the "
            "list; name one that stands above it, or remove start"
        )
    if earlier[student.start].method != student.method:
        raise ValueError(
            f"student {student.name}: start {student.start!r} has another method; "
            "use the same method in both"
        )


def _check_served(student: StudentSettings, predict: PredictSettings) -> None:
    method = student.method
    if method.served == "live" and predict.sampling.temperature > 0:
        raise ValueError(
            f"student {student.name}: {method.kind} is served by transformers with greedy "
            "decoding; set predict.sampling.temperature: 0"
        )
    if predict.serve != "adapter":
        return
    if isinstance(method, LoraMethod) and method.rank > MAX_RANK:
        raise ValueError(
            f"student {student.name}: rank {method.rank} is above {MAX_RANK}, the largest adapter "
            "rank of vLLM; lower it, or set predict.serve: auto"
        )
    if method.served != "adapter":
        raise ValueError(
            f"student {student.name}: vLLM cannot serve {method.kind} as an adapter; use lora, "
            "rslora or qlora, or predict.serve: auto"
        )
