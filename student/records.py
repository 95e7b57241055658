"""What a student leaves on disk about its training, and the choice of the best one."""

from data.records import Record


class Step(Record):
    """One line of metrics.jsonl: a logging step of training, or a look at val after an epoch."""

    step: int  # optimiser steps so far
    epoch: float
    seconds: float  # since training began, over all resumed runs
    loss: float | None = None  # nats per answer token, since the last line
    learning_rate: float | None = None
    grad_norm: float | None = None
    val_loss: float | None = None  # nats per answer token of the selected val answers
    strict: float | None = None  # share of the epoch's val rows, by the code rules
    rules: dict[str, float] | None = None  # adherence by rule on those rows
    val_rows: int | None = None


class Result(Record):
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


class Ranked(Record):
    """One student as a candidate for the best."""

    name: str
    strict: float | None  # on all val rows, by the code rules
    val_loss: float | None
    best_epoch: float
    settings: dict[str, object]
    seconds: float


class Choice(Record):
    """The best student, and why."""

    best: str
    why: str
    ranked: tuple[Ranked, ...]  # best first
