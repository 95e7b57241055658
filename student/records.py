"""What a student leaves on disk about its training, and the choice of the best one."""

from typing import Literal

from data.records import Record


class Sample(Record):
    """A val question and what the student in training answers to it, without the prompt."""

    row: str
    question: str
    answer: str


class Step(Record):
    """One line of metrics.jsonl: a logging step of training, or a look at val after an epoch."""

    step: int  # optimiser steps so far
    epoch: float
    seconds: float  # since training began, over all resumed runs
    loss: float | None = None  # nats per answer token, since the last line
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_s: float | None = None  # positions that the student read, over the whole step
    answer_tokens_per_s: float | None = None  # likewise, those that it learnt
    val_loss: float | None = None  # nats per answer token of the selected val answers
    strict: float | None = None  # share of the epoch's val rows, by the code rules
    rules: dict[str, float] | None = None  # adherence by rule on those rows
    val_rows: int | None = None
    samples: tuple[Sample, ...] | None = None  # only where a tracker's settings ask for them


class TrainingResult(Record):
    """A trained student."""

    name: str
    best_step: int  # of the checkpoint that became the adapter
    best_epoch: float
    strict: float | None  # of that checkpoint, on the epoch's val rows
    val_loss: float | None
    steps: int
    train_answers: int
    answer_tokens: int  # learnt per epoch
    seconds: float
    trainable: int  # parameters
    adapter_sha256: str


class RankedStudent(Record):
    """One student as a candidate for the best."""

    name: str
    strict: float | None  # on all val rows, by the code rules
    val_loss: float | None
    best_epoch: float
    settings: dict[str, object]
    seconds: float


class StudentChoice(Record):
    """The best student, and why."""

    best: str
    why: str
    ranked: tuple[RankedStudent, ...]  # best first


# complete: trained to its end · pruned: stopped early, its val loss was above the median · refused:
# not trained, its settings cannot work together or were tried before · failed: training broke
TrialState = Literal["running", "complete", "pruned", "refused", "failed"]


class Trial(Record):
    """One trial of a search, as far as it got."""

    name: str  # also of its student's folder
    state: TrialState
    model: str  # base, as in model.name
    settings: dict[str, object]  # of the student
    method: str  # kind
    objective: str  # kind
    strict: float | None = None  # the value: on the epoch's val rows, by the code rules, best epoch
    val_rows: int | None = None
    val_loss: float | None = None  # of that epoch; of the last look where it was stopped
    best_epoch: float | None = None
    seconds: float | None = None
    reason: str | None = None  # why it was stopped, refused or failed


class LeaderboardCell(Record):
    """The trials of one method on one base."""

    model: str
    method: str
    best: str | None  # the best trial; None where none ended well
    strict: float | None
    val_loss: float | None
    n: int  # trials that were trained, to their end or not


class SearchResult(Record):
    """search.json: what was tried, and which won."""

    trials: tuple[Trial, ...]  # in the order in which they began
    leaderboard: tuple[LeaderboardCell, ...]  # models × methods
    best: str | None  # name of the best trial
    why: str
