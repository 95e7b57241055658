"""The optimiser steps of each student, and a warning where they are too few to learn from."""

from collections.abc import Iterator
from typing import NamedTuple

from config.schema import Config
from config.training import LEAST_STEPS, StudentSettings
from student.evaluation_steps import evaluation_steps

_AIM = 3 * LEAST_STEPS  # steps of the suggested settings
_SMALL_BATCH = 4


class TrainingSteps(NamedTuple):
    """The most steps that a student takes: every train row then has an answer."""

    student: StudentSettings
    rows: int
    steps: int
    evaluations: int

    @property
    def line(self) -> str:
        """The steps and where they come from."""
        student = self.student
        return (
            f"student {student.name}: {self.steps:,} optimiser steps at most ({self.rows:,} rows, "
            f"batch_size {student.batch_size}, epochs {student.epochs}), "
            f"{self.evaluations} evaluations"
        )


def training_steps(config: Config, rows: int) -> list[TrainingSteps]:
    """The steps of every student on at most `rows` train rows."""
    steps = []
    for student in config.students:
        read = rows + round(rows * student.prompted_share)
        per_epoch = -(-read // student.batch_size)
        evaluations = len(evaluation_steps(per_epoch, student.epochs)) if per_epoch else 0
        steps.append(TrainingSteps(student, read, per_epoch * student.epochs, evaluations))
    return steps


def step_warnings(steps: list[TrainingSteps]) -> Iterator[str]:
    """A line per student with fewer than LEAST_STEPS steps, with settings that give more."""
    for index, plan in enumerate(steps):
        if plan.steps >= LEAST_STEPS:
            continue
        batch = min(plan.student.batch_size, _SMALL_BATCH)
        per_epoch = max(1, -(-plan.rows // batch))
        epochs = max(plan.student.epochs, -(-_AIM // per_epoch))
        yield (
            f"student {plan.student.name}: {plan.steps} optimiser steps at most ({plan.rows} rows, "
            f"batch_size {plan.student.batch_size}, epochs {plan.student.epochs}) teach next to "
            f"nothing; set students.{index}.batch_size: {batch} and students.{index}.epochs: "
            f"{epochs} for {per_epoch * epochs}, or add rows"
        )
