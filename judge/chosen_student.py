"""Reads which student was chosen on val, from which others, and after which search."""

from collections.abc import Sequence

from config.schema import Config
from data.jsonl import read_record
from data.records import Record
from data.rows import Row, question_clusters
from data.run_paths import RunPaths
from judge.evaluation_rows import evaluation_rows
from judge.metrics.gap_closed import FEWEST_QUESTIONS
from judge.metrics.optimism import ChosenStudent
from prompts.rules import RuleFile


class _RankedStudent(Record, extra="ignore"):
    """The fields of a candidate that the judge reads."""

    name: str
    val_loss: float | None = None


class _Choice(Record, extra="ignore"):
    """The fields of best/choice.json that the judge reads."""

    best: str
    ranked: tuple[_RankedStudent, ...] = ()


class _Trial(Record, extra="ignore"):
    """The field of a trial that the judge reads."""

    strict: float | None = None  # None: it was not evaluated


class _Search(Record, extra="ignore"):
    """The fields of student/search.json that the judge reads."""

    best: str | None
    trials: tuple[_Trial, ...]


def read_chosen_student(
    config: Config, rules: RuleFile, val: Sequence[Row]
) -> ChosenStudent | None:
    """The best student; None before it is chosen.

    The winner of a search is scored on the val rows that no trial was evaluated on, if they are of
    ten questions at least. Raises DataError when a file is broken.
    """
    run = RunPaths.of(config)
    if not run.choice.exists():
        return None
    choice = read_record(run.choice, _Choice)
    ranked = sorted(choice.ranked, key=_val_loss)
    tried = tuple(f"student/{student.name}" for student in ranked)
    chosen = ChosenStudent(arm=f"student/{choice.best}", tried=tried)
    search = read_record(run.search, _Search) if run.search.exists() else None
    if search is None or search.best != choice.best:
        return chosen
    evaluated_ids = {row.id for row in evaluation_rows(rules, val, config.predict.eval_rows)}
    questions = question_clusters(val)
    seen_questions = {questions[row] for row in evaluated_ids}
    unseen = frozenset(row for row in questions if questions[row] not in seen_questions)
    enough = len({questions[row] for row in unseen}) >= FEWEST_QUESTIONS
    trials = sum(trial.strict is not None for trial in search.trials)
    return chosen._replace(trials=trials, unseen=unseen if enough else None)


def _val_loss(student: _RankedStudent) -> float:
    return float("inf") if student.val_loss is None else student.val_loss
