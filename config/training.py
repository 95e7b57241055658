"""The settings of one student, and what of them cannot work together."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from config.objectives import CrossEntropy, Distillation, Objective, Retention
from config.peft_methods import REWRITES_BASE, LoraMethod, LowRank, Method
from config.settings import Fraction, Settings


class StudentSettings(Settings):
    """One student: how it is adapted and trained."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    method: Method = LoraMethod()
    objective: Objective = CrossEntropy()
    start: str | None = None  # an earlier student of the same method to go on from
    learning_rate: PositiveFloat = 2e-4  # peak; linear decay to 0
    warmup_fraction: Fraction = 0.03  # share of the optimiser steps
    epochs: PositiveInt = 2
    batch_size: PositiveInt = 32  # rows per optimiser step, each with all its kept answers
    tokens_per_pass: PositiveInt = 8192  # per forward pass, padding included; a longer row is alone
    retention: Retention | None = None
    seed: int | None = None  # None: the experiment's seed

    @property
    def needs_stored_logprobs(self) -> bool:
        """Whether it learns from probabilities that came with the teacher's answers."""
        return isinstance(self.objective, Distillation) and self.objective.teacher == "stored"

    @property
    def needs_adapter_off(self) -> bool:
        """Whether the untouched base is asked while the student is trained."""
        return self.retention is not None or self.objective.needs_teacher_pass

    @model_validator(mode="after")
    def _base_stays(self) -> "StudentSettings":
        if not self.needs_adapter_off:
            return self
        if not self.method.adapter_off:
            raise ValueError(
                f"student {self.name}: method {self.method.kind} leaves no untouched base to ask; "
                "use objective ce, or kl with teacher: stored, and no retention"
            )
        if isinstance(self.method, LowRank) and self.method.init in REWRITES_BASE:
            raise ValueError(
                f"student {self.name}: init {self.method.init} rewrites the base's weights, so "
                "the base with the adapter off is not the teacher; use init: zero"
            )
        return self


class TrackerSettings(Settings):
    """A tracker that follows the training with the numbers of metrics.jsonl."""

    project: str = "unprompted"
    samples: bool = False  # also some val questions with their answers: private text


class WandbSettings(TrackerSettings):
    """Weights & Biases; offline needs neither key nor network."""

    mode: Literal["offline", "online"] = "offline"
