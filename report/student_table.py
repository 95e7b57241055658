"""The tables of the trained students and of their evaluations after each epoch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from judge.records import StrictScore
from report.run_files import RunFiles
from student.records import RankedStudent, Step


@dataclass(frozen=True)
class StudentRow:
    """One trained student."""

    ranked: RankedStudent
    differs: tuple[str, ...]  # its values of the settings in which the students differ
    strict: StrictScore | None
    trainable: int | None  # parameters
    speed: float | None  # tokens per second that it read, median over steps


@dataclass(frozen=True)
class StudentTable:
    """The trained students, best first."""

    columns: tuple[str, ...]  # settings in which they differ
    rows: tuple[StudentRow, ...]
    common: tuple[tuple[str, str], ...]  # settings in which they agree


def build_student_table(material: RunFiles) -> StudentTable | None:
    """None when no best student has been chosen."""
    if material.choice is None:
        return None
    ranked = material.choice.ranked
    settings = [dict(flatten(student.settings)) for student in ranked]
    columns = tuple(differing_keys(settings))
    keys = dict.fromkeys(key for values in settings for key in values)
    return StudentTable(
        columns,
        tuple(
            _row(material, student, tuple(values.get(key, "") for key in columns))
            for student, values in zip(ranked, settings, strict=True)
        ),
        tuple((key, settings[0].get(key, "")) for key in keys if key not in columns),
    )


def _row(material: RunFiles, ranked: RankedStudent, differs: tuple[str, ...]) -> StudentRow:
    training = material.training.get(ranked.name)
    result = training.result if training else None
    steps = training.steps if training else ()
    speeds = [step.tokens_per_s for step in steps if step.tokens_per_s is not None]
    return StudentRow(
        ranked=ranked,
        differs=differs,
        strict=material.strict(f"student/{ranked.name}"),
        trainable=result.trainable if result else None,
        speed=median(speeds) if speeds else None,
    )


def list_evaluations(material: RunFiles) -> list[tuple[str, Step, bool]]:
    """Student, evaluation on val, and whether that checkpoint became the adapter."""
    return [
        (name, step, training.result is not None and step.step == training.result.best_step)
        for name, training in material.training.items()
        for step in training.steps
        if step.val_loss is not None or step.strict is not None
    ]


def differing_keys(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys whose values differ between the settings, in order of appearance."""
    keys = dict.fromkeys(key for values in settings for key in values)
    return [key for key in keys if len({values.get(key) for values in settings}) > 1]


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (dotted key, text)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{prefix}{key}", "none" if value is None else str(value)
