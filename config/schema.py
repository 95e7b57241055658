"""The settings of one experiment: one class per concept, frozen and strict, units at the field.

Knows nothing of how the settings are used. An unknown key is an error (`config.load` adds the
nearest known one).
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of every settings class: immutable, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    logprobs: bool = False  # keep the log-probability of each answer token


class TeacherSettings(Settings):
    """Candidates of the prompted model and the choice among them."""

    candidates: PositiveInt = 4  # answers drawn per row at most, until `keep` break no rule
    sampling: Sampling = Sampling(temperature=0.8)
    shuffle_examples: bool = True  # a new order of the worked examples for each candidate
    keep: PositiveInt = 1  # answers kept per row at most, of those that obey every must-rule
    same_text: PositiveInt | None = None  # rows at most that learn one and the same text


class LoraMethod(Settings):
    """Low-rank adapters on every linear layer (Hu et al., arXiv 2106.09685)."""

    kind: Literal["lora"] = "lora"
    rank: PositiveInt = 32
    alpha: PositiveFloat = 64  # the update is scaled by alpha / rank
    dropout: Fraction = 0.0


class StudentSettings(Settings):
    """One student: how it is adapted and trained."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    method: LoraMethod = LoraMethod()
    learning_rate: PositiveFloat = 2e-4  # peak; linear decay to 0
    warmup_fraction: Fraction = 0.03  # share of the optimiser steps
    epochs: PositiveInt = 2
    batch_size: PositiveInt = 32  # answers per optimiser step
    micro_batch: PositiveInt = 8  # answers per forward pass
    seed: int | None = None  # None: the experiment's seed

    @model_validator(mode="after")
    def _divides(self) -> "StudentSettings":
        if self.batch_size % self.micro_batch:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch {self.micro_batch}"
            )
        return self


class PredictSettings(Settings):
    """How the compared arms answer val and hidden, and how often val is looked at in training."""

    sampling: Sampling = Sampling()
    epoch_rows: PositiveInt = 64  # val rows answered after each epoch, the same ones every time


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


class GateSettings(Settings):
    """What the best student must reach on val for `judge gate` to pass; None: not asked."""

    strict_min: Fraction | None = None  # strict adherence
    gap_closed_min: PositiveFloat | None = None  # may ask for more than the teacher: above 1
    # δ: strict adherence that may be lost against the teacher, as a share, judged by the lower
    # one-sided 95 % bound of the difference
    not_worse_than_teacher: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_missing: Fraction | None = None  # share of missing strict scores; None: the judge's own
    calibrated: bool = False  # where a model decides a must-rule, a calibration must hold for it


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


class WandbSettings(Settings):
    """Weights & Biases; offline needs neither key nor network."""

    project: str = "unprompted"
    mode: Literal["offline", "online"] = "offline"


class Config(Settings):
    """One experiment."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: int = 0
    runs: str = "runs"  # folder that holds the runs
    prompt: PromptSettings
    data: DataSettings
    model: ModelSettings
    teacher: TeacherSettings = TeacherSettings()
    students: Annotated[tuple[StudentSettings, ...], Field(min_length=1)]
    predict: PredictSettings = PredictSettings()
    judge: JudgeSettings = JudgeSettings()
    wandb: WandbSettings | None = None

    @model_validator(mode="after")
    def _distinct_students(self) -> "Config":
        names = [student.name for student in self.students]
        if len(set(names)) != len(names):
            raise ValueError(f"students: names must differ, found {names}")
        if "base" in names:
            raise ValueError("students: `base` is the arm without training; rename the student")
        return self

    def seed_of(self, student: StudentSettings) -> int:
        """Seed of one student: its own, or the experiment's."""
        return self.seed if student.seed is None else student.seed
