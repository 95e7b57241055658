"""The training objectives: the teacher's text, its distribution, or its view of own answers."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from config.settings import Fraction, Settings, usual_kind

# forward: KL(teacher ‖ student), mass-covering · reverse: KL(student ‖ teacher), mode-seeking ·
# jsd: the mean of both against their mixture
Direction = Literal["forward", "reverse", "jsd"]


class CrossEntropy(Settings):
    """Cross-entropy on the text of the selected answers."""

    needs_teacher_pass: ClassVar[bool] = False  # whether training runs the prompted base

    kind: Literal["ce"] = "ce"


class Distillation(Settings):
    """KL to the teacher's distribution at each token of the selected answers."""

    kind: Literal["kl"] = "kl"
    # stored: the most likely tokens, stored with the answers (teacher.sampling.logprobs = K), and
    # one bucket for the rest · adapter_off: the base reads the prompted view during training
    teacher: Literal["stored", "adapter_off"] = "stored"
    direction: Direction = "forward"
    temperature: PositiveFloat = 1.0  # of both distributions
    ce_weight: Fraction = 0.5  # share of the cross-entropy in the loss

    @property
    def needs_teacher_pass(self) -> bool:
        """Whether training runs the prompted base."""
        return self.teacher == "adapter_off"


class OnPolicy(Settings):
    """KL to the prompted base on answers that the student samples without the prompt."""

    needs_teacher_pass: ClassVar[bool] = True

    kind: Literal["on_policy"] = "on_policy"
    direction: Direction = "reverse"
    temperature: PositiveFloat = 1.0  # of both distributions; answers are sampled at temperature 1


Objective = Annotated[
    CrossEntropy | Distillation | OnPolicy, Field(discriminator="kind"), usual_kind("ce")
]


class Retention(Settings):
    """KL to the base on questions unrelated to the prompt, so that their answers stay the same."""

    questions: str  # text file, one question a line; the base answers them once
    weight: PositiveFloat = 0.05  # of the mean KL per token, added to the objective
    max_tokens: Annotated[int, Field(gt=0)] = 64  # of the base's answers
