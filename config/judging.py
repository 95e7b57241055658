"""The judge: its server, limits, and the thresholds of `judge gate`."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.settings import Fraction, Settings


class GateSettings(Settings):
    """What the best student must reach on val for `judge gate` to pass; None: not asked."""

    strict_min: Fraction | None = None  # strict adherence
    gap_closed_min: PositiveFloat | None = None  # may ask for more than the teacher: above 1
    # δ: strict adherence that may be lost against the teacher, as a share, judged by the lower
    # one-sided 95 % bound of the difference
    not_worse_than_teacher: Annotated[float, Field(gt=0, lt=1)] | None = None
    max_missing: Fraction | None = None  # share of missing strict scores; None: the judge's own
    calibrated: bool = False  # where a model decides a must-rule, a calibration must hold for it


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
