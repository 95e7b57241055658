"""The search space: ranges and choices around the first student."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.peft_methods import Method
from config.settings import Settings
from config.training import Objective


class Range(Settings):
    """From `low` to `high`, both included; sampled log-uniformly."""

    low: PositiveFloat  # lower end
    high: PositiveFloat  # upper end

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}; swap them")
        return self


class SearchSettings(Settings):
    """Number of trials and the search space; an empty field keeps the first student's value."""

    # trained ones; refused settings and repetitions of a trial do not count
    trials: PositiveInt = 20
    seed: Annotated[int, Field(ge=0)] = 0  # of the sampler; trials are trained with the student's
    learning_rate: Range | None = None
    learning_rate_of: dict[str, Range] = {}  # kind of method → its own range
    batch_size: tuple[PositiveInt, ...] = ()  # values to try
    epochs: tuple[PositiveInt, ...] = ()  # values to try
    rank: tuple[PositiveInt, ...] = ()  # of low-rank methods; alpha / rank stays the same
    methods: tuple[Method, ...] = ()  # each is tried with every objective and base
    objectives: tuple[Objective, ...] = ()  # each is tried with every method and base
    models: tuple[str, ...] = ()  # bases, as model.name; all learn the same teacher's answers

    @model_validator(mode="after")
    def _ranges_of_methods(self) -> "SearchSettings":
        kinds = sorted({method.kind for method in self.methods})
        unknown = sorted(set(self.learning_rate_of) - set(kinds))
        if unknown:
            raise ValueError(
                f"learning_rate_of: {unknown[0]!r} is no kind in methods; "
                f"their kinds are {', '.join(kinds) or 'none'}"
            )
        return self
