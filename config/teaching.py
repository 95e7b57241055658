"""Settings of the teacher's candidates, of rejection sampling, and of probes."""

from typing import Annotated

from pydantic import Field, PositiveInt, model_validator

from config.backends import Backend, RemoteBackend, VllmBackend
from config.generation import SamplingSettings
from config.settings import Settings


class TeacherSettings(Settings):
    """Sampling candidates from the prompted model, and selecting among them."""

    model: str | None = None  # a local model with the base's tokenizer; None: the base
    engine: Backend = VllmBackend()
    candidates: PositiveInt = 4  # most per row; sampling stops once `max_selected` are flawless
    sampling: SamplingSettings = SamplingSettings(temperature=0.8)
    shuffle_examples: bool = True  # shuffle the worked examples anew per candidate
    max_selected: PositiveInt = 1  # most answers per row; all pass every must-rule
    # largest share of the selected answers that may have the same text
    max_same_text_share: Annotated[float, Field(gt=0, le=1)] | None = None
    score_with_llm: bool = False  # judge.llm also scores candidates, beside the code rules
    # One more candidate if none obeys every must-rule; its prompt names the rules that the best one
    # breaks. Off by default: the demo's 135M model repaired only 1 of 33 rows.
    repair: bool = False

    @model_validator(mode="after")
    def _suits_the_engine(self) -> "TeacherSettings":
        if self.model is not None and isinstance(self.engine, RemoteBackend):
            raise ValueError(
                f"model {self.model} is a local model, but engine {self.engine.kind} uses "
                f"{self.engine.model}; remove teacher.model"
            )
        if self.repair and self.engine.kind == "batch":
            raise ValueError(
                "teacher.repair: batch files are sent before any answer can be repaired; "
                "set teacher.repair: false"
            )
        return self


class ProbeSettings(Settings):
    """Made-up train rows for rules that few logged rows exercise."""

    floor: PositiveInt = 50  # train rows, probes included, on which each rule should be applicable
    # YAML file of questions; None: prompts/probes, in the prompt's language
    bank: str | None = None
    generate_questions: bool = False  # also use questions written by the model, before the bank's
