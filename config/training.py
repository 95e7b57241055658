"""Settings of one student: its training objective and optimisation, and the trackers.

An objective is the teacher's text, its distribution, or its view of the student's own answers.
"""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from config.peft_methods import LoraMethod, Method
from config.settings import Fraction, Settings, usual_kind

# forward: KL(teacher ‖ student), mass-covering · reverse: KL(student ‖ teacher), mode-seeking ·
# jsd: the mean of both against their mixture
Direction = Literal["forward", "reverse", "jsd"]
Checkpointing = Literal["off", "selective", "full"]
Auto = Literal["auto"]
MEMORY_SETTINGS = {"tokens_per_pass", "checkpointing"}  # how passes fit; no weight depends on them


LEAST_STEPS = 10  # optimiser steps; with fewer, a student is hardly different from its base


class CrossEntropy(Settings):
    """Cross-entropy on the text of the selected answers."""

    needs_teacher_pass: ClassVar[bool] = False  # whether training runs the prompted base

    kind: Literal["ce"] = "ce"


class Distillation(Settings):
    """KL to the teacher's distribution at each token of the selected answers."""

    kind: Literal["kl"] = "kl"
    # stored: the most likely tokens, stored with the answers (teacher.sampling.logprobs = K), and
    # one bucket for the rest, tempered as if spread evenly over its tokens · adapter_off: the base
    # reads the prompted view during training
    teacher: Literal["stored", "adapter_off"] = "stored"
    # forward: KL(teacher ‖ student) · reverse: KL(student ‖ teacher) · jsd: the mean of both
    # against their mixture
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
    direction: Direction = "reverse"  # as of kl
    temperature: PositiveFloat = 1.0  # of both distributions; answers are sampled at temperature 1


Objective = Annotated[
    CrossEntropy | Distillation | OnPolicy, Field(discriminator="kind"), usual_kind("ce")
]


class Retention(Settings):
    """KL to the base on questions unrelated to the prompt, so that their answers stay the same."""

    questions: str  # text file, one question a line; the base answers them once
    weight: PositiveFloat = 0.05  # of the mean KL per token, added to the objective
    max_tokens: Annotated[int, Field(gt=0)] = 64  # of the base's answers


class StudentSettings(Settings):
    """One student: its method, its objective and its optimisation."""

    # of the student, and of its folder in student/
    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9._-]*$",
            description="lower-case letters, digits, '.', '_' and '-', with a letter or digit in "
            "front",
        ),
    ]
    method: Method = LoraMethod()
    objective: Objective = CrossEntropy()
    start: str | None = None  # an earlier student of the same method whose weights to start from
    learning_rate: PositiveFloat = 2e-4  # peak; linear decay to 0
    warmup_fraction: Fraction = 0.03  # share of the optimiser steps before the peak
    epochs: PositiveInt = 2  # passes over the rows with a selected answer
    batch_size: PositiveInt = 32  # rows per optimiser step, each with all its selected answers
    # tokens of a forward pass, padding included; a longer row has a pass of its own · auto: on a
    # graphics card as many as its memory holds, by a measured pass; else 8192
    tokens_per_pass: PositiveInt | Auto = "auto"
    # layers whose activations are computed again in the backward pass, which takes less memory and
    # more time: no layer (off), every other one (selective), every one (full) · auto: on a graphics
    # card the first of them that fits its memory; else off
    checkpointing: Checkpointing | Auto = "auto"
    retention: Retention | None = None
    # half-life of an exponential average of the weights, as a share of all optimiser steps; the
    # average is evaluated, saved and served in place of the last weights; None: none
    averaging: Annotated[float, Field(gt=0, le=1)] | None = None
    # weigh answers so that each case (no conditional rule is due, or which) counts in the loss as
    # often as it occurs among the train rows, however few of its rows have an answer
    case_weights: bool = False
    # weight in the loss of the first token behind the opening that nearly all answers share, by
    # which a refusal or another fixed sentence differs from an answer; 1: as every other token
    first_token_weight: PositiveFloat = 1.0
    # share of the rows that are also learnt behind the prompt, for clients that go on sending it;
    # each such row is as long as the prompt, which may be ten times as long as the row alone
    prompted_share: Fraction = 0.0
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

    @model_validator(mode="after")
    def _weighs_given_answers(self) -> "StudentSettings":
        if self.first_token_weight != 1 and isinstance(self.objective, OnPolicy):
            raise ValueError(
                f"student {self.name}: first_token_weight = {self.first_token_weight:g} weighs the "
                "teacher's answers, and objective on_policy learns from none; use ce or kl"
            )
        return self


class TrackerSettings(Settings):
    """A tracker that receives the numbers of metrics.jsonl."""

    samples: bool = False  # also log some val questions with their answers: private text


class ProjectSettings(TrackerSettings):
    """A tracker that sorts runs into projects."""

    project: str = "unprompted"  # under which the tracker files the run


class WandbSettings(ProjectSettings):
    """Weights & Biases; offline needs neither key nor network."""

    kind: Literal["wandb"] = "wandb"
    # offline: into the folder of the run, to be sent with `wandb sync` · online: to the server
    mode: Literal["offline", "online"] = "offline"


class TrackioSettings(ProjectSettings):
    """Trackio; local, in its own folder or TRACKIO_DIR."""

    kind: Literal["trackio"] = "trackio"


class TensorboardSettings(TrackerSettings):
    """TensorBoard; local, in `tensorboard/` of the run's folder."""

    kind: Literal["tensorboard"] = "tensorboard"


class MlflowSettings(ProjectSettings):
    """MLflow; the server of MLFLOW_TRACKING_URI, else `mlflow.db` in the run's folder."""

    kind: Literal["mlflow"] = "mlflow"


TrackerKind = Literal["wandb", "trackio", "tensorboard", "mlflow"]


def _by_name(value: Any) -> Any:
    """A tracker's name stands for its settings."""
    if not isinstance(value, str):
        return value
    if value not in get_args(TrackerKind):
        raise ValueError(f"no tracker is called so; name {', '.join(get_args(TrackerKind))}")
    return {"kind": value}


_AnyTracker = Annotated[
    WandbSettings | TrackioSettings | TensorboardSettings | MlflowSettings,
    Field(discriminator="kind"),
]
_NamedTracker = TrackerKind | _AnyTracker
Tracker = Annotated[_AnyTracker, BeforeValidator(_by_name, json_schema_input_type=_NamedTracker)]


def _as_list(value: Any) -> Any:
    """One tracker alone is a list of one; transformers' word for no tracker is `none`."""
    if value == "none":
        return ()
    return (value,) if isinstance(value, str | dict) else value


Trackers = Annotated[
    tuple[Tracker, ...],
    BeforeValidator(
        _as_list, json_schema_input_type=tuple[Tracker, ...] | _NamedTracker | Literal["none"]
    ),
]
