"""The base model, how answers are sampled from it, and how the arms answer val and hidden."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from config.settings import Settings


class ModelSettings(Settings):
    """The base model of teacher and student alike."""

    name: str  # "embedded", a folder, or a hub id
    max_length: PositiveInt = 2048  # tokens, prompt and answer together
    template_kwargs: dict[str, bool | str] = {}  # e.g. enable_thinking, same for every view


class SamplingSettings(Settings):
    """How an answer is drawn."""

    temperature: Annotated[float, Field(ge=0)] = 0.0  # 0: greedy
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: PositiveInt = 512  # tokens of the answer
    # keep the log-probability of each answer token, and those of so many most likely tokens
    logprobs: NonNegativeInt | None = None


class PredictSettings(Settings):
    """How the compared arms answer val and hidden, and how often val is looked at in training."""

    sampling: SamplingSettings = SamplingSettings()
    eval_rows: PositiveInt = 64  # val rows answered after each epoch, the same ones every time
    # adapter: every student must be one that vLLM serves beside the base; auto: folded into the
    # base's weights, or answered by transformers, where it is not
    serve: Literal["auto", "adapter"] = "auto"
