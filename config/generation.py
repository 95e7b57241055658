"""Settings of the base model, of sampling, of the teacher, and of answering val and hidden."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from config.backends import Backend, RemoteBackend, VllmBackend
from config.settings import AsSwitches, Settings

Dtype = Literal["auto", "bfloat16", "float16", "float32"]
GPU_MEMORY = 0.8  # leaves room for the embedded judge's server and for what others hold
SystemRole = Literal["system", "first_user"]


class ModelSettings(Settings):
    """The base model, shared by teacher and students."""

    name: str  # "embedded", a folder, or a model hub id
    revision: str | None = None  # commit, tag or branch of a hub id; None: its main branch
    # of weights and matrix products; what is trained is stored in float32 · auto: bfloat16 where
    # the hardware multiplies it, else float16 on a GPU and float32 on a CPU
    dtype: Dtype = "auto"
    # share of a card's memory that vLLM takes for weights and cache; without meaning on a CPU
    gpu_memory: Annotated[float, Field(gt=0, lt=1)] = GPU_MEMORY
    max_length: PositiveInt = 2048  # most tokens of prompt and answer together
    # chat template arguments; thinking is off where the template has a switch
    template_kwargs: Annotated[dict[str, bool | str], AsSwitches] = {}
    # where the prompted model gets the system prompt · first_user: in the first user turn, for
    # templates that have no system turn; the student's view has no prompt in either case
    system_role: SystemRole = "system"


class SamplingSettings(Settings):
    """How an answer is sampled."""

    temperature: Annotated[float, Field(ge=0)] = 0.0  # 0: greedy
    # sample among the most likely tokens that together have this probability; 1: among all
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: PositiveInt = 512  # most tokens of an answer
    # K: store each answer token's log-probability and those of the K most likely tokens; null: none
    logprobs: NonNegativeInt | None = None


class TeacherSettings(Settings):
    """Sampling candidates from the prompted model, and selecting among them."""

    model: str | None = None  # a local model with the base's tokenizer; None: the base
    revision: str | None = None  # of teacher.model on the hub, as model.revision
    engine: Backend = VllmBackend()
    candidates: PositiveInt = 4  # most per row; sampling stops once `max_selected` are flawless
    sampling: SamplingSettings = SamplingSettings(temperature=0.8)
    shuffle_examples: bool = True  # shuffle the worked examples anew per candidate
    max_selected: PositiveInt = 1  # most answers per row; all pass every must-rule
    # largest share of the selected answers that may have the same text
    max_same_text_share: Annotated[float, Field(gt=0, le=1)] | None = None
    score_with_llm: bool = False  # judge.llm also scores candidates, beside the code rules
    # Rows whose candidates all break a must-rule get guided ones: behind a prompt with only the
    # rules that are due, with the broken rules repeated, with the beginning given, or dictated.
    guided: bool = True
    # logs: at most as many answers of a conditional rule (such as a refusal), relative to the rows
    # without one, as train rows on which it is due · null: as many as are selected
    balance: Literal["logs"] | None = None

    @model_validator(mode="after")
    def _suits_the_engine(self) -> "TeacherSettings":
        if self.revision is not None and self.model is None:
            raise ValueError(
                f"teacher.revision {self.revision}: teacher.model is null, so the teacher is the "
                "base; set model.revision"
            )
        if self.model is not None and isinstance(self.engine, RemoteBackend):
            raise ValueError(
                f"model {self.model} is a local model, but engine {self.engine.kind} uses "
                f"{self.engine.model}; remove teacher.model"
            )
        return self


class ProbeSettings(Settings):
    """Made-up train rows for rules that few logged rows exercise."""

    floor: PositiveInt = 50  # train rows, probes included, on which each rule should be applicable
    # YAML file of questions; None: prompts/probes, in the prompt's language
    bank: str | None = None
    generate_questions: bool = False  # also use questions written by the model, before the bank's


class PredictSettings(Settings):
    """How the arms answer val and hidden, and the evaluation during training."""

    sampling: SamplingSettings = SamplingSettings()
    # val rows of each evaluation during training, always the same: some of every case (rows where a
    # conditional rule is due, rows where none is), else the first ones
    eval_rows: PositiveInt = 64
    # adapter: vLLM must be able to serve every student as an adapter · auto: other students are
    # merged into the base's weights, or answered by transformers
    serve: Literal["auto", "adapter"] = "auto"
