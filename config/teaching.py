"""The teacher's candidates, the selection among them, and probes."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from config.backends import Backend, VllmBackend, check_model
from config.generation import SamplingSettings
from config.settings import Settings


class TeacherSettings(Settings):
    """Candidates of the prompted model and the choice among them."""

    model: str | None = None  # loaded here, with the base's tokenizer; None: the base itself
    engine: Backend = VllmBackend()
    candidates: PositiveInt = 4  # answers drawn per row at most, until `keep` break no rule
    sampling: SamplingSettings = SamplingSettings(temperature=0.8)
    shuffle_examples: bool = True  # a new order of the worked examples for each candidate
    keep: PositiveInt = 1  # answers kept per row at most, of those that obey every must-rule
    # of the answers that are learnt, the share that one and the same text may be
    same_text: Annotated[float, Field(gt=0, le=1)] | None = None
    judged: bool = False  # judge.llm decides its rules on the candidates too, not code alone
    # one more candidate where none is obedient: the model is told which rules its best one breaks;
    # off, because the demo's 135M model mended 1 of 33 rows so: it mends one rule, breaks another
    repair: bool = False

    @model_validator(mode="after")
    def _model_is_loaded_here(self) -> "TeacherSettings":
        check_model(self.model, self.engine)
        return self

    @model_validator(mode="after")
    def _repairs_in_turn(self) -> "TeacherSettings":
        if self.repair and self.engine.kind == "batch":
            raise ValueError(
                "teacher.repair: batch files go out before any answer can be mended; "
                "set teacher.repair: false"
            )
        return self


class ProbeSettings(Settings):
    """How many, and out of what."""

    floor: PositiveInt = 50  # train rows that each rule should be due on, made ones included
    bank: str | None = None  # YAML of questions; None: prompts/probes in the prompt's language
    from_model: bool = False  # the model writes questions of its own too, taken before the bank's
