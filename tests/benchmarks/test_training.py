"""The students' benchmarks measure what they say, at sizes of seconds."""

import pytest

from benchmarks.quality.__main__ import WAYS, planned_students
from benchmarks.quality.standings import enough, standings, tables
from benchmarks.training.__main__ import (
    TRAINING_LIMITS,
    TrainingFigures,
    measure_training,
    training_table,
)
from benchmarks.training.steps import RowLengths, StudentModel


@pytest.mark.slow
def test_every_figure_is_measured() -> None:
    """On short rows: the figures are positive, and each has its limit and its line."""
    lengths = RowLengths(system=24, own=12, answer=4, rows=4)
    figures, times, remarks = measure_training(StudentModel.embedded("cpu"), lengths, repeats=1)
    assert set(TRAINING_LIMITS) == set(TrainingFigures.model_fields)
    assert all(time.seconds > 0 for time in times) and len(times) == 9
    text = training_table(figures, times, remarks)
    assert all(text.count(f"| {name} | ") == 1 for name in TRAINING_LIMITS)
    assert "limit of prefix reuse by token count: 3.00" in text  # (24 + 12) / 12


ROWS = [f"r{n}" for n in range(40)]
BASE = dict.fromkeys(ROWS, False)
TEACHER = {row: n < 20 for n, row in enumerate(ROWS)}


def passing(count: int) -> dict[str, bool]:
    """Scores of which the first so many pass."""
    return {row: n < count for n, row in enumerate(ROWS)}


def test_standings_by_hand() -> None:
    """Teacher 50 %, base 0: 18 and 14 of 40 are 40 %, four fifths of the gap; the same seeds give
    no difference to themselves."""
    found = standings(
        BASE,
        TEACHER,
        {
            ("ce", 50): {0: passing(18), 1: passing(14)},
            ("kl", 50): {0: passing(20), 1: passing(16)},
            ("ce", 25): {0: passing(10), 1: passing(10)},
        },
    )
    ce, kl, fewer = found
    assert [one.answers for one in found] == [50, 50, 25]
    assert ce.strict.value == pytest.approx(0.40) and ce.seeds == (0.45, 0.35)
    assert ce.closed is not None and ce.closed.value == pytest.approx(0.80)
    assert ce.over_first is None
    assert kl.over_first is not None and kl.over_first.value == pytest.approx(0.05)
    assert fewer.closed is not None and fewer.closed.value == pytest.approx(0.5)
    assert enough(found, "ce", surely=False) == 50
    assert enough(found, "ce", surely=True) is None
    text = tables(0.0, 0.5, found, {"ce": "text", "kl": "stored"})
    assert "| ce | 50 | more than were tried |" in text


def test_every_way_is_told_of() -> None:
    """A way without its line, or the reverse, would leave the table unread."""
    assert {student.name for student in planned_students(None)} == set(WAYS)
    assert {student.name for student in planned_students(25)} < set(WAYS)
