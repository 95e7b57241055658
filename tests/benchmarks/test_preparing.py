"""The benchmark of preparing: its corpora, and its figures from measured values."""

from pathlib import Path

import pytest

from benchmarks.preparing.__main__ import PREPARING_LIMITS, PreparingFigures, preparing_figures
from benchmarks.preparing.log_corpora import FORMS, LogCorpus, LogForm
from benchmarks.preparing.measure import LeakageSearch, Preparation, measure_preparation
from data.data_quality import DataQuality
from data.jsonl import read_record
from data.readers.logs import read_logs


@pytest.mark.parametrize("form", FORMS)
def test_each_form_holds_the_same_questions(form: LogForm, tmp_path: Path) -> None:
    expected = read_logs(LogCorpus("varied", 50).write(tmp_path / "a.jsonl", "jsonl"), Path())
    path = tmp_path / ("b.parquet" if form == "parquet" else "b.json")
    logs = read_logs(LogCorpus("varied", 50).write(path, form), Path())
    assert len(logs.rows) == 50 and not logs.quarantined
    for row, other in zip(logs.rows, expected.rows, strict=True):
        assert row.question == other.question
        assert [part.text for part in row.contexts] == [part.text for part in other.contexts]


def test_a_preparation_is_of_all_rows(tmp_path: Path) -> None:
    measured = measure_preparation("templated", "jsonl", 200, tmp_path)
    quality = read_record(tmp_path / "data" / "quality.json", DataQuality)
    written = sum(split.rows for split in quality.splits.values())
    assert written + len(quality.duplicates_removed) == measured.rows == 200
    assert measured.near == len(quality.leakage["train-val"].near)


def test_the_figures_are_of_the_sizes_that_they_name() -> None:
    def preparation(questions: str, form: str, rows: int, seconds: float, mb: float) -> Preparation:
        values = {"questions": questions, "form": form, "rows": rows, "seconds": seconds}
        return Preparation.model_validate(values | {"file_mb": 1, "peak_mb": mb, "near": 0})

    preparations = [
        preparation("varied", "jsonl", 16_000, 2, 900),
        preparation("varied", "jsonl", 200_000, 30, 300),
        preparation("varied", "list", 200_000, 31, 400),
        preparation("templated", "jsonl", 200_000, 40, 350),
        preparation("varied", "jsonl", 1_000_000, 400, 2000),
    ]
    searches = [
        LeakageSearch(system=system, rows=1, seconds=seconds, peak_mb=1, near=0)
        for system, seconds in (("ours", 10.0), ("datasketch", 25.0))
    ]
    assert preparing_figures(preparations, searches) == PreparingFigures(
        seconds=30, templated_seconds=40, peak_mb=400, growth=15, datasketch_over_ours=2.5
    )
    assert preparing_figures(preparations, searches[:1]).datasketch_over_ours is None
    assert set(PREPARING_LIMITS) == set(PreparingFigures.model_fields)
