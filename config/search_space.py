"""What a search tries: ranges and choices around the first student."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.objectives import Objective
from config.peft_methods import Method
from config.settings import Settings


class Range(Settings):
    """From `low` to `high`, both included; drawn evenly in its logarithm."""

    low: PositiveFloat
    high: PositiveFloat

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}; swap them")
        return self


class SearchSettings(Settings):
    """How often and among what; what is empty stays as the first student of the list has it."""

    # that are trained; what cannot work together or was tried before is not counted
    trials: PositiveInt = 20
    seed: Annotated[int, Field(ge=0)] = 0  # of what is drawn; a trial's own is the student's
    learning_rate: Range | None = None
    learning_rate_of: dict[str, Range] = {}  # kind of method → its own range
    batch_size: tuple[PositiveInt, ...] = ()
    epochs: tuple[PositiveInt, ...] = ()
    rank: tuple[PositiveInt, ...] = ()  # of methods that have one; alpha keeps its ratio to it
    methods: tuple[Method, ...] = ()
    objectives: tuple[Objective, ...] = ()
    models: tuple[str, ...] = ()  # bases, as model.name; all learn the answers of one teacher

    @model_validator(mode="after")
    def _ranges_of_methods(self) -> "SearchSettings":
        kinds = sorted({method.kind for method in self.methods})
        strange = sorted(set(self.learning_rate_of) - set(kinds))
        if strange:
            raise ValueError(
                f"learning_rate_of: {strange[0]!r} is no kind in methods; "
                f"there are {', '.join(kinds) or 'none'}"
            )
        return self
