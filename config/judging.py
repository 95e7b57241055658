"""Settings of the judge: its server, its limits, and the thresholds of `judge gate`."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.base_url import BaseUrl, EnvironmentVariable
from config.request_fields import RequestFields
from config.settings import Fraction, Settings

EMBEDDED_GPU_MEMORY = 0.1  # share of a card's memory for the server of the embedded judge


class GateSettings(Settings):
    """Thresholds for the best student on val in `judge gate`; None: not checked."""

    strict_min: Fraction | None = None  # least strict adherence
    # least share of the gap between base and teacher that is closed; above 1: better than the
    # teacher
    gap_closed_min: PositiveFloat | None = None
    # Non-inferiority margin δ: the one-sided lower 95 % bound of the difference in strict adherence
    # to the teacher must be above -δ.
    not_worse_than_teacher: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_missing: Fraction | None = None  # share of missing strict scores; None: judge.max_missing
    calibrated: bool = False  # require a valid calibration if an LLM decides a must-rule


class Prices(Settings):
    """A server's prices per million tokens, in any currency."""

    prompt: Annotated[float, Field(ge=0)]  # of tokens that are sent
    completion: Annotated[float, Field(ge=0)]  # of tokens of the reply

    def cost(self, prompt: float, completion: float) -> float:
        """The price of a request with these token counts."""
        return (prompt * self.prompt + completion * self.completion) / 1e6


class ServerSettings(RequestFields):
    """An OpenAI-compatible server of the judge's model."""

    kind: Literal["server"] = "server"
    base_url: BaseUrl  # usually ending in /v1
    model: str  # its name on the server
    api_key_env: EnvironmentVariable = "OPENAI_API_KEY"  # variable that holds the API key
    concurrency: PositiveInt = 8  # most requests in flight
    timeout_s: PositiveFloat = 60.0  # seconds per attempt of a request
    price_per_million: Prices | None = None  # None: cost is not computed

    @model_validator(mode="after")
    def _keeps_the_seed(self) -> "ServerSettings":
        if "seed" in self.extra_body:
            raise ValueError(
                "extra_body: the seed tells several votes apart; remove it, or set "
                "judge.temperature: 0, where none is sent"
            )
        return self


class JudgeSettings(Settings):
    """The language model that decides the LLM rules, and its limits."""

    # server: an OpenAI-compatible one · embedded: the model of 135M that comes with the demo ·
    # none: rules that need a model get no verdict
    llm: ServerSettings | Literal["embedded", "none"] = "none"
    # another model that judges too; where the two disagree the verdict is missing
    second: ServerSettings | None = None
    arms: tuple[str, ...] | None = None  # arms that the model judges; None: all
    # tokens per verdict, reasoning included; a call about n rules gets n times as many
    max_tokens: PositiveInt = 256
    rules_per_call: PositiveInt = 1  # most verdicts per call, of rules with the same inputs
    # of verdicts; applicability is always asked at 0
    temperature: Annotated[float, Field(ge=0)] = 0.0
    # votes per verdict, odd; None: 3 for must-rules if temperature > 0, else 1
    samples: PositiveInt | None = None
    # Read verdicts from the probabilities of the tokens pass and fail, and store the probability.
    # Needs a server that gives logprobs, one verdict per call and one vote.
    token_probabilities: bool = False
    # calls per command, of both models; further verdicts are missing, reason `budget`
    max_calls: PositiveInt | None = None
    max_cost: PositiveFloat | None = None  # money per command, in the currency of price_per_million
    max_missing: Fraction = 0.2  # above this share of missing strict scores a run is inconclusive
    gate: GateSettings = GateSettings()

    @model_validator(mode="after")
    def _odd(self) -> "JudgeSettings":
        if self.samples is not None and self.samples % 2 == 0:
            raise ValueError(
                f"samples {self.samples} is even and allows a tied vote; use an odd number"
            )
        return self

    @model_validator(mode="after")
    def _two_models(self) -> "JudgeSettings":
        if self.second is None:
            return self
        if self.llm == "none":
            raise ValueError("second: there is no first model; set judge.llm")
        if isinstance(self.llm, ServerSettings) and self.llm.model == self.second.model:
            raise ValueError(
                f"second: {self.second.model} is the model of judge.llm too; name another one"
            )
        return self

    @model_validator(mode="after")
    def _one_reply_per_verdict(self) -> "JudgeSettings":
        several = self.rules_per_call > 1 or self.samples_of(must=True) > 1
        if self.token_probabilities and several:
            raise ValueError(
                "token_probabilities: one reply has to hold one verdict; set rules_per_call: 1 and "
                "samples: 1"
            )
        return self

    def samples_of(self, must: bool) -> int:
        """Votes per verdict, on a must-rule or another one."""
        if self.samples is not None:
            return self.samples
        return 3 if must and self.temperature > 0 else 1
