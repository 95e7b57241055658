"""The settings of one student's training, and of the trackers that follow it."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.objectives import CrossEntropy, Distillation, Objective, Retention
from config.peft_methods import LoraMethod, Method
from config.settings import Fraction, Settings


class StudentSettings(Settings):
    """One student: its method, its objective and its optimisation."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    method: Method = LoraMethod()
    objective: Objective = CrossEntropy()
    start: str | None = None  # an earlier student of the same method whose weights to start from
    learning_rate: PositiveFloat = 2e-4  # peak; linear decay to 0
    warmup_fraction: Fraction = 0.03  # share of the optimiser steps
    epochs: PositiveInt = 2
    batch_size: PositiveInt = 32  # rows per optimiser step, each with all its selected answers
    tokens_per_pass: PositiveInt = 8192  # of a forward pass, with padding; a longer row is alone
    retention: Retention | None = None
    seed: int | None = None  # None: the experiment's seed

    @property
    def needs_stored_logprobs(self) -> bool:
        """Whether it learns from the probabilities stored with the teacher's answers."""
        return isinstance(self.objective, Distillation) and self.objective.teacher == "stored"

    @property
    def needs_adapter_off(self) -> bool:
        """Whether training runs the untouched base."""
        return self.retention is not None or self.objective.needs_teacher_pass

    @model_validator(mode="after")
    def _base_stays(self) -> "StudentSettings":
        if self.needs_adapter_off and not self.method.adapter_off:
            raise ValueError(
                f"student {self.name}: method {self.method.kind} leaves no untouched base; "
                "use objective ce, or kl with teacher: stored, and no retention"
            )
        return self


class TrackerSettings(Settings):
    """A tracker that receives the numbers of metrics.jsonl."""

    project: str = "unprompted"
    samples: bool = False  # also log some val questions with their answers: private text


class WandbSettings(TrackerSettings):
    """Weights & Biases; offline needs neither key nor network."""

    mode: Literal["offline", "online"] = "offline"
