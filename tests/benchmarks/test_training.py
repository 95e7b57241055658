"""The training benchmark measures every figure, at sizes of seconds."""

import pytest

from benchmarks.training.__main__ import (
    TRAINING_LIMITS,
    TrainingFigures,
    measure_training,
    training_table,
)
from benchmarks.training.benchmark_rows import RowLengths


@pytest.mark.slow
def test_every_figure_is_measured() -> None:
    """On short rows: the figures are positive, and each has its limit and its line."""
    lengths = RowLengths(system=24, own=12, answer=4, rows=4)
    figures, times, remarks = measure_training("cpu", "bfloat16", lengths, repeats=1)
    assert set(TRAINING_LIMITS) == set(TrainingFigures.model_fields)
    assert min(times.values()) > 0 and len(times) == 8
    text = training_table(figures, times, remarks)
    assert all(text.count(f"| {name} | ") == 1 for name in TRAINING_LIMITS)
    assert "limit of prefix reuse by token count: 3.00" in text  # (24 + 12) / 12
