"""The records that students and searches leave on disk, and the order of candidates."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, TypeVar

from data.records import Record
from judge.metrics.interval import Interval, format_share
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
    """One line of metrics.jsonl: an optimiser step, or an evaluation."""

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
    # mean over the cases (no conditional must-rule is due; each of them) of the share within the
    # case; None: in records of before it was measured, and without conditional must-rules
    strict_by_case: float | None = None
    # adherence by rule on those rows: of a conditional rule the recall, of its converse 1 − the
    # share of false alarms
    rules: dict[str, float] | None = None
    # row id → whether its answer passes every must-rule, where that is decided; None: in records of
    # before it was stored
    passed: dict[str, bool] | None = None
    val_rows: int | None = None  # evaluated val rows; None: an optimiser step
    samples: tuple[Sample, ...] | None = None  # only where a tracker is set to show them

    strict_interval: ClassVar[property] = property(_strict_interval)


class TrainingResult(Record):
    """result.json: a trained student."""

    name: str
    best_step: int  # of the checkpoint that became the adapter
    best_epoch: float
    strict: float | None  # of that checkpoint, on the evaluated val rows
    strict_by_case: float | None = None
    val_loss: float | None
    val_rows: int | None = None
    steps: int
    train_answers: int
    prompted_answers: int = 0  # of these, learnt behind the prompt as well
    unmatched: int = 0  # answers left out: their stored probabilities are of other tokens
    answer_tokens: int  # target tokens per epoch
    seconds: float
    trainable: int  # parameters
    adapter_sha256: str


class RankedStudent(Record):
    """One candidate for the best student."""

    name: str
    strict: float | None  # on all val rows, by the rules in code
    strict_by_case: float | None = None
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
    strict: float | None = None  # best checkpoint, on the evaluated val rows, by the code rules
    strict_by_case: float | None = None
    val_rows: int | None = None
    val_loss: float | None = None  # of the best checkpoint; of a stopped trial, the last one
    best_epoch: float | None = None
    seconds: float | None = None
    reason: str | None = None  # why it was stopped, refused or failed

    strict_interval: ClassVar[property] = property(_strict_interval)


class CorrectedRate(Record):
    """Strict adherence of the best of several, by the rules in code."""

    value: float
    low: float  # 95 % interval, clustered by question
    high: float
    rows: int
    # share of the rows by which the choices among trials and evaluations made it look better
    optimism: float = 0.0


class LeaderboardCell(Record):
    """The trials of one method on one base."""

    model: str
    method: str
    best: str | None  # the best trial; None where none completed
    strict: float | None  # of the best one, as measured
    val_loss: float | None
    n: int  # trials that were trained, completed or not
    # `strict` less what the choice adds; None: no rule decided, or the rows are not on record
    corrected: CorrectedRate | None = None


class SearchResult(Record):
    """search.json: all trials of a search, and the winner."""

    trials: tuple[Trial, ...]  # in the order in which they began
    leaderboard: tuple[LeaderboardCell, ...]  # models × methods
    best: str | None  # name of the best trial
    why: str
    # ids of the val rows that no trial looked at; empty: val has too few questions
    held_out: tuple[str, ...] = ()
    # the best trial on them; None: none is held out, or the search has not ended
    winner: CorrectedRate | None = None

    @property
    def winner_sentence(self) -> str | None:
        """The winner on rows that it was not chosen by, in words."""
        completed = sum(trial.state == "complete" for trial in self.trials)
        if self.best is None:
            return None
        if not self.held_out:
            return (
                f"No val row was held out, as val has too few questions: the best of {completed} "
                "trials looks better on these rows than it is."
            )
        if self.winner is None:
            return None
        share = format_share(self.winner.value, self.winner.low, self.winner.high)
        return (
            f"The best of {completed} trials, on the {self.winner.rows} val rows that no trial "
            f"looked at: strict adherence {share} by the rules in code."
        )


Candidate = TypeVar("Candidate", Step, RankedStudent, Trial)


def chosen_by(candidate: Step | RankedStudent | Trial) -> float | None:
    """The number that decides: strict adherence by case, or over all rows where it has no cases.

    By case, a model that never refuses, or refuses everything, fails wherever it should not; over
    all rows it may be the best, if one case is frequent.
    """
    by_case = candidate.strict_by_case
    return candidate.strict if by_case is None else by_case


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The highest strict adherence by case first; equals by that over all rows, then by the lowest
    val loss. None comes last."""

    def order(candidate: Candidate) -> tuple[float, float, float]:
        rates = (chosen_by(candidate), candidate.strict)
        by_case, overall = (1.0 if rate is None else -rate for rate in rates)
        return by_case, overall, float("inf") if candidate.val_loss is None else candidate.val_loss

    return sorted(candidates, key=order)


def reason(ranked: Sequence[Candidate], val_rows: int | None) -> str:
    """Why the first one is the best."""
    best = ranked[0]
    rates = _rates_text(best)
    text = f"{rates} on {val_rows} val rows by the rules in code, the highest of {len(ranked)}"
    ties = sum((chosen_by(c), c.strict) == (chosen_by(best), best.strict) for c in ranked) - 1
    if ties and best.val_loss is not None:
        text += f"; {ties} more equal, and the lowest val loss of these, {best.val_loss:.3f}"
    return text


def _rates_text(candidate: Step | RankedStudent | Trial) -> str:
    """The number that decides, in words, and strict adherence over all rows."""
    if candidate.strict is None:
        return "no rule decided"
    if candidate.strict_by_case is None:
        return f"strict adherence {candidate.strict:.1%}"
    return (
        f"strict adherence by case {candidate.strict_by_case:.1%} (the mean over the cases: each "
        "must-rule that is due on some rows only, and the rows without one; "
        f"{candidate.strict:.1%} of all rows)"
    )
