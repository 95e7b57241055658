"""The settings of one experiment: one class per concept, frozen and strict, units at the field.

Knows nothing of how the settings are used. An unknown key is an error (`config.load` adds the
nearest known one).
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from config.backends import Backend, VllmBackend, check_model, check_probabilities
from config.base import Fraction, Settings
from config.gate import GateSettings
from config.peft_methods import MAX_RANK, LowRank
from config.probes import ProbeSettings
from config.search_space import SearchSettings
from config.training import StudentSettings, TrackerSettings, WandbSettings


class FieldMap(Settings):
    """Which column of a JSONL, CSV or Parquet file holds what."""

    question: str
    id: str | None = None  # None: rows are numbered
    contexts: str | None = None  # a list of texts, or one text
    answers: dict[str, str] = {}  # name of the answering system → column
    labels: str | None = None
    comment: str | None = None
    tags: dict[str, str] = {}  # tag → column


class CampusLogs(Settings):
    """The campus chat-bot's JSON, or its hidden set in the same keys without answers and labels."""

    kind: Literal["campus"] = "campus"
    path: str
    # the clarified question is logged behind the first one, as one text: a second turn whose text
    # begins with another question than its row's belongs to another conversation
    joined_followups: bool = False


class TableLogs(Settings):
    """JSONL, CSV or Parquet read through a field map; the format follows the file's suffix."""

    kind: Literal["table"] = "table"
    path: str
    fields: FieldMap


Logs = Annotated[CampusLogs | TableLogs, Field(discriminator="kind")]


class DataSettings(Settings):
    """Where the rows come from and what is cleaned out of them."""

    train: Logs
    val: Logs | None = None  # None: `val_fraction` of the train questions
    hidden: Logs | None = None
    val_fraction: Fraction = 0.2  # share of distinct questions held out when `val` is not given
    stubs: tuple[str, ...] = ()  # regular expressions of provider replies that are no answers
    footer: str | None = None  # regular expression of what the application appends to answers
    near_duplicate: Fraction = 0.8  # Jaccard similarity of word sets from which questions are near
    second_turns: bool = True  # a train row with a follow-up gives a row for its second turn too
    max_bad_fraction: Fraction = 0.01  # share of quarantined rows above which the run stops


class PromptSettings(Settings):
    """The system prompt and what belongs to it."""

    system: str  # YAML with system_template and user_template
    rules: str  # YAML rule file cut out of that prompt
    examples: str | None = None  # YAML list of worked examples, shown as chat turns
    tags: tuple[str, ...] = ()  # row tags written into the user turn, in this order


class ModelSettings(Settings):
    """The base model of teacher and student alike."""

    name: str  # "embedded", a folder, or a hub id
    max_length: PositiveInt = 2048  # tokens, prompt and answer together
    template_kwargs: dict[str, bool | str] = {}  # e.g. enable_thinking, same for every view


class Sampling(Settings):
    """How an answer is drawn."""

    temperature: Annotated[float, Field(ge=0)] = 0.0  # 0: greedy
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: PositiveInt = 512  # tokens of the answer
    # keep the log-probability of each answer token, and those of so many most likely tokens
    logprobs: NonNegativeInt | None = None


class TeacherSettings(Settings):
    """Candidates of the prompted model and the choice among them."""

    model: str | None = None  # loaded here, with the base's tokenizer; None: the base itself
    engine: Backend = VllmBackend()
    candidates: PositiveInt = 4  # answers drawn per row at most, until `keep` break no rule
    sampling: Sampling = Sampling(temperature=0.8)
    shuffle_examples: bool = True  # a new order of the worked examples for each candidate
    keep: PositiveInt = 1  # answers kept per row at most, of those that obey every must-rule
    # of the answers that are learnt, the share that one and the same text may be
    same_text: Annotated[float, Field(gt=0, le=1)] | None = None
    judged: bool = False  # judge.llm decides its rules on the candidates too, not code alone
    # one more candidate where none is obedient: the model is told which rules its best one breaks;
    # off, because the demo's 135M model mended 1 of 33 rows so: it mends one rule, breaks another
    repair: bool = False

    @model_validator(mode="after")
    def _model_is_loaded_here(self) -> "TeacherSettings":
        check_model(self.model, self.engine)
        return self

    @model_validator(mode="after")
    def _repairs_in_turn(self) -> "TeacherSettings":
        if self.repair and self.engine.kind == "batch":
            raise ValueError(
                "teacher.repair: batch files go out before any answer can be mended; "
                "set teacher.repair: false"
            )
        return self


class PredictSettings(Settings):
    """How the compared arms answer val and hidden, and how often val is looked at in training."""

    sampling: Sampling = Sampling()
    eval_rows: PositiveInt = 64  # val rows answered after each epoch, the same ones every time
    # adapter: every student must be one that vLLM serves beside the base; auto: folded into the
    # base's weights, or answered by transformers, where it is not
    serve: Literal["auto", "adapter"] = "auto"


class Prices(Settings):
    """What a server charges for a million tokens, in any one currency."""

    prompt: Annotated[float, Field(ge=0)]
    completion: Annotated[float, Field(ge=0)]

    def cost(self, prompt: float, completion: float) -> float:
        """What so many tokens cost."""
        return (prompt * self.prompt + completion * self.completion) / 1e6


class ServerSettings(Settings):
    """An OpenAI-compatible server that judges."""

    kind: Literal["server"] = "server"
    base_url: str
    model: str
    api_key_env: str = "OPENAI_API_KEY"  # name of the environment variable that holds the key
    concurrency: PositiveInt = 8  # requests in flight at most
    timeout_s: PositiveFloat = 60.0
    price_per_million: Prices | None = None  # None: costs are not counted


class JudgeSettings(Settings):
    """Who decides the LLM rules."""

    llm: ServerSettings | Literal["embedded", "none"] = "none"
    arms: tuple[str, ...] | None = None  # arms whose LLM rules are judged; None: all
    max_tokens: PositiveInt = 256  # tokens of a verdict; a call about n rules gets n times that
    rules_per_call: PositiveInt = 1  # verdicts asked for in one call, of rules that see the same
    temperature: Annotated[float, Field(ge=0)] = 0.0  # of verdicts; when a rule is due: always 0
    samples: PositiveInt | None = None  # per verdict, odd; None: 1, and 3 of must-rules when drawn
    max_calls: PositiveInt | None = None  # calls in one go; the rest stays missing as `budget`
    max_cost: PositiveFloat | None = None  # likewise, in the currency of price_per_million
    max_missing: Fraction = 0.2  # share of missing strict scores from which a run is inconclusive
    bertscore: str | None = None  # encoder of BERTScore, a folder or hub id; None: not computed
    gate: GateSettings = GateSettings()

    @model_validator(mode="after")
    def _odd(self) -> "JudgeSettings":
        if self.samples is not None and self.samples % 2 == 0:
            raise ValueError(f"samples {self.samples} is even: half the votes would decide nothing")
        return self

    def samples_of(self, must: bool) -> int:
        """Samples of a verdict on a must-rule, or on another one."""
        if self.samples is not None:
            return self.samples
        return 3 if must and self.temperature > 0 else 1


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
