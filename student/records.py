"""The records that students and searches leave on disk, and the order of candidates."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, TypeVar

from data.records import Record
from judge.metrics.interval import Interval
from judge.metrics.stats import wilson


def _strict_interval(record: "Step | Trial") -> Interval | None:
    """95 % interval of `strict`."""
    rows = record.val_rows
    return None if record.strict is None or not rows else wilson(round(record.strict * rows), rows)


class Sample(Record):
    """A val question and the unprompted answer of the student in training."""

    row: str
    question: str
    answer: str


class Step(Record):
    """One line of metrics.jsonl: an optimiser step, or the evaluation after an epoch."""

    step: int  # optimiser steps so far
    epoch: float
    seconds: float  # since training began, over all resumed runs
    loss: float | None = None  # nats per answer token, since the last line
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_s: float | None = None  # positions in the student's passes, over the whole step
    answer_tokens_per_s: float | None = None  # target tokens, over the whole step
    val_loss: float | None = None  # nats per answer token of the selected val answers
    strict: float | None = None  # share of the evaluated val rows, by the code rules
    rules: dict[str, float] | None = None  # adherence by rule on those rows
    val_rows: int | None = None  # evaluated val rows; None: an optimiser step
    samples: tuple[Sample, ...] | None = None  # only where a tracker is set to show them

    strict_interval: ClassVar[property] = property(_strict_interval)


class TrainingResult(Record):
    """result.json: a trained student."""

    name: str
    best_step: int  # of the checkpoint that became the adapter
    best_epoch: float
    strict: float | None  # of that checkpoint, on the evaluated val rows
    val_loss: float | None
    val_rows: int | None = None
    steps: int
    train_answers: int
    unmatched: int = 0  # answers left out: their stored probabilities are of other tokens
    answer_tokens: int  # target tokens per epoch
    seconds: float
    trainable: int  # parameters
    adapter_sha256: str


class RankedStudent(Record):
    """One candidate for the best student."""

    name: str
    strict: float | None  # on all val rows, by the code rules
    val_loss: float | None
    best_epoch: float
    settings: dict[str, object]
    seconds: float


class StudentChoice(Record):
    """choice.json: the best student, and the reason."""

    best: str
    why: str
    ranked: tuple[RankedStudent, ...]  # best first


# complete: trained to the end · pruned: stopped early, val loss above the median · refused: not
# trained, its settings cannot work together · failed: training raised an error
TrialState = Literal["running", "complete", "pruned", "refused", "failed"]


class Trial(Record):
    """One trial of a search."""

    name: str  # of its student and folder: a digest of model and settings
    state: TrialState
    model: str  # base, as in model.name
    settings: dict[str, object]  # of the student
    method: str  # kind
    objective: str  # kind
    strict: float | None = None  # the value: best epoch, on the evaluated val rows, by code rules
    val_rows: int | None = None
    val_loss: float | None = None  # of the best epoch, or of the last one of a stopped trial
    best_epoch: float | None = None
    seconds: float | None = None
    reason: str | None = None  # why it was stopped, refused or failed

    strict_interval: ClassVar[property] = property(_strict_interval)


class LeaderboardCell(Record):
    """The trials of one method on one base."""

    model: str
    method: str
    best: str | None  # the best trial; None where none completed
    strict: float | None
    val_loss: float | None
    n: int  # trials that were trained, completed or not


class SearchResult(Record):
    """search.json: all trials of a search, and the winner."""

    trials: tuple[Trial, ...]  # in the order in which they began
    leaderboard: tuple[LeaderboardCell, ...]  # models × methods
    best: str | None  # name of the best trial
    why: str


Candidate = TypeVar("Candidate", Step, RankedStudent, Trial)  # each has `strict` and `val_loss`


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The highest strict adherence first; equals by the lowest val loss; None comes last."""
    infinite = float("inf")
    return sorted(
        candidates,
        key=lambda candidate: (
            1.0 if candidate.strict is None else -candidate.strict,
            infinite if candidate.val_loss is None else candidate.val_loss,
        ),
    )


def reason(ranked: Sequence[Candidate], val_rows: int | None) -> str:
    """Why the first one is the best."""
    best = ranked[0]
    rate = "no rule decided" if best.strict is None else f"strict adherence {best.strict:.1%}"
    text = f"{rate} on {val_rows} val rows by the code rules, the highest of {len(ranked)}"
    ties = sum(candidate.strict == best.strict for candidate in ranked) - 1
    if ties and best.val_loss is not None:
        text += f"; {ties} more equal, and the lowest val loss of these, {best.val_loss:.3f}"
    return text
