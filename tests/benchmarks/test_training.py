"""The training benchmark measures every figure, at sizes of seconds."""

from pathlib import Path

import pytest

from benchmarks.training.__main__ import (
    TRAINING_LIMITS,
    TrainingFigures,
    measure_training,
    training_table,
)
from benchmarks.training.benchmark_rows import BenchmarkRows, RowLengths
from tests.student.run_factory import tiny_model


@pytest.mark.slow
def test_every_figure_is_measured(tmp_path: Path) -> None:
    """On short rows and a tiny model: figures are positive, and each has its limit and line."""
    lengths = RowLengths(system=24, own=12, answer=4, rows=4)
    rows = BenchmarkRows(lengths, str(tiny_model(tmp_path)))
    figures, times, remarks = measure_training("cpu", "bfloat16", rows, repeats=1)
    assert set(TRAINING_LIMITS) == set(TrainingFigures.model_fields)
    assert min(times.values()) > 0 and len(times) == 8
    text = training_table(figures, times, remarks)
    assert all(text.count(f"| {name} | ") == 1 for name in TRAINING_LIMITS)
    assert "limit of prefix reuse by token count: 3.00" in text  # (24 + 12) / 12
