"""Settings of the base model, of sampling, and of answering val and hidden."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from config.settings import Settings


class ModelSettings(Settings):
    """The base model, shared by teacher and students."""

    name: str  # "embedded", a folder, or a model hub id
    max_length: PositiveInt = 2048  # tokens, prompt and answer together
    template_kwargs: dict[str, bool | str] = {}  # chat template arguments, e.g. enable_thinking


class SamplingSettings(Settings):
    """How an answer is sampled."""

    temperature: Annotated[float, Field(ge=0)] = 0.0  # 0: greedy
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: PositiveInt = 512  # tokens of the answer
    # K: store each answer token's log-probability and those of the K most likely tokens; null: none
    logprobs: NonNegativeInt | None = None


class PredictSettings(Settings):
    """How the arms answer val and hidden, and the evaluation during training."""

    sampling: SamplingSettings = SamplingSettings()
    eval_rows: PositiveInt = 64  # val rows of the evaluation after each epoch, always the same
    # adapter: vLLM must be able to serve every student as an adapter · auto: other students are
    # merged into the base's weights, or answered by transformers
    serve: Literal["auto", "adapter"] = "auto"
