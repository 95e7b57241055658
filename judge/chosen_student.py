"""Reads which student was chosen on val, from which others, and after which search."""

from pathlib import Path

from config.schema import Config
from data.jsonl import read_appended, read_record, read_stored_record
from data.records import Record
from data.run_paths import RunPaths
from data.stored_file import is_stored
from judge.metrics.correct_choice import ChosenStudent
from judge.metrics.trained_optimism import PassedRows


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
    held_out: tuple[str, ...] = ()


class _Result(Record, extra="ignore"):
    """The field of a student's result.json that the judge reads."""

    best_step: int | None = None


class _Line(Record, extra="ignore"):
    """The fields of a line of metrics.jsonl that the judge reads."""

    step: int
    val_loss: float | None = None
    val_rows: int | None = None  # None: no evaluation
    passed: dict[str, bool] | None = None


def read_chosen_student(config: Config) -> ChosenStudent | None:
    """The best student; None before it is chosen.

    The winner of a search is scored on the val rows that the search held out. Raises DataError when
    a file is broken.
    """
    run = RunPaths.of(config)
    choice = read_stored_record(run.choice, _Choice)
    if choice is None:
        return None
    names = [student.name for student in sorted(choice.ranked, key=_val_loss)]
    chosen = ChosenStudent(
        arm=f"student/{choice.best}",
        tried=tuple(f"student/{name}" for name in names),
        evaluations={f"student/{name}": _evaluations(run.student(name)) for name in names},
    )
    search = read_stored_record(run.search, _Search)
    if search is None or search.best != choice.best:
        return chosen
    trials = sum(trial.strict is not None for trial in search.trials)
    return chosen._replace(trials=trials, unseen=frozenset(search.held_out) or None)


def _evaluations(student: Path) -> tuple[PassedRows, ...]:
    """The evaluations during the training, lowest val loss first.

    That of the chosen checkpoint alone where the files do not say which rows passed.
    """
    result, metrics = student / "result.json", student / "metrics.jsonl"
    if not (is_stored(result) and is_stored(metrics)):
        return (None,)
    best_step = read_record(result, _Result).best_step
    lines = [line for line in read_appended(metrics, _Line) if line.val_rows is not None]
    on_record = all(line.passed is not None for line in lines)
    if not on_record or best_step not in [line.step for line in lines]:
        return (None,)
    return tuple(
        None if line.step == best_step else line.passed for line in sorted(lines, key=_val_loss)
    )


def _val_loss(candidate: _RankedStudent | _Line) -> float:
    return float("inf") if candidate.val_loss is None else candidate.val_loss
