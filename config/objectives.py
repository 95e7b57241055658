"""What a student learns from: the teacher's text, its distribution, or its view of own answers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from config.settings import Fraction, Settings, usual_kind

# forward: KL(teacher ‖ student), covers all that the teacher says · reverse: KL(student ‖ teacher),
# keeps to what the teacher finds likely · jsd: their mean against the mixture of both
Direction = Literal["forward", "reverse", "jsd"]


class CrossEntropy(Settings):
    """The text of the selected answers."""

    needs_teacher_pass: ClassVar[bool] = (
        False  # whether the prompted base reads the rows in training
    )

    kind: Literal["ce"] = "ce"


class Distillation(Settings):
    """The teacher's distribution at each token of the selected answers."""

    kind: Literal["kl"] = "kl"
    # stored: the most likely tokens as they came with the answers (teacher.sampling.logprobs = K)
    # and one bucket for the rest · adapter_off: the base reads the prompted view in training
    teacher: Literal["stored", "adapter_off"] = "stored"
    direction: Direction = "forward"
    temperature: PositiveFloat = 1.0  # both distributions are flattened by it
    ce_weight: Fraction = 0.5  # share of the cross-entropy in the loss

    @property
    def needs_teacher_pass(self) -> bool:
        """Whether the prompted base reads the rows in training."""
        return self.teacher == "adapter_off"


class OnPolicy(Settings):
    """The student answers without the prompt, the prompted base says how likely each token was."""

    needs_teacher_pass: ClassVar[bool] = True

    kind: Literal["on_policy"] = "on_policy"
    direction: Direction = "reverse"
    temperature: PositiveFloat = 1.0  # as above; answers are always drawn at temperature 1


Objective = Annotated[
    CrossEntropy | Distillation | OnPolicy, Field(discriminator="kind"), usual_kind("ce")
]


class Retention(Settings):
    """KL to the base on questions that have nothing to do with the prompt, so that they stay."""

    questions: str  # text file, one question a line; the base answers them once
    weight: PositiveFloat = 0.05  # of the mean KL per token, beside the objective's
    max_tokens: Annotated[int, Field(gt=0)] = 64  # of the base's answers
