"""Figures and table of the generation benchmark, computed by hand."""

import pytest

from benchmarks.generation.__main__ import (
    GENERATION_LIMITS,
    GenerationFigures,
    generation_figures,
    generation_table,
)
from benchmarks.generation.bookkeeping import Bookkeeping
from benchmarks.generation.throughput import BATCH, CAMPUS_LENGTHS, Throughput, random_prompts

TIMINGS = [
    Throughput(system="ours", rows=256, seconds=100, tokens=12_800),
    Throughput(system="raw vLLM", rows=256, seconds=98, tokens=12_800, cached=0.8),
    Throughput(system="ours, 16 own", rows=64, seconds=2, tokens=512),
    Throughput(system="vLLM without prefix cache", rows=32, seconds=50, tokens=1600, cached=0.0),
    Throughput(system="transformers", rows=32, seconds=100, tokens=1600),
]
BOOKKEEPING = Bookkeeping(rows=1_000_000, rows_per_s=9000, rerun_rows_per_s=30_000, mb=180)


def test_the_figures_by_hand() -> None:
    """2.56 rows/s of ours against 2.61, 0.64 and 0.32."""
    figures = generation_figures(TIMINGS, BOOKKEEPING)
    assert figures.over_raw_vllm == pytest.approx(0.98)
    assert figures.vs_no_prefix_cache == pytest.approx(4.0)
    assert figures.vs_transformers == pytest.approx(8.0)
    assert (figures.bookkeeping_rows_per_s, figures.million_rows_mb) == (9000, 180)
    fewer = BOOKKEEPING.model_copy(update={"rows": 100_000, "mb": 20})
    assert generation_figures(TIMINGS, fewer).million_rows_mb == pytest.approx(200)


def test_every_figure_has_its_limit_and_line() -> None:
    """The table's numbers are the figures', rounded."""
    assert set(GENERATION_LIMITS) == set(GenerationFigures.model_fields)
    text = generation_table(generation_figures(TIMINGS, BOOKKEEPING), TIMINGS, BOOKKEEPING)
    assert all(text.count(f"| {name} | ") == 1 for name in GENERATION_LIMITS)
    assert "| over_raw_vllm | 0.980 | ≥ 0.97 | " in text
    assert "| million_rows_mb | 180 | ≤ 300 | " in text
    assert "| raw vLLM | 256 | 98.0 | 2.61 | 130.6 | 80.0% |" in text
    assert "30,000 rows/s" in text


def test_the_rows_share_their_beginning_and_nothing_else() -> None:
    """Else a cache would hold more than it may; batches of equal lengths are not padded."""
    rows = random_prompts(2 * BATCH, CAMPUS_LENGTHS)
    assert {row[: CAMPUS_LENGTHS.shared] for row in rows} == {rows[0][: CAMPUS_LENGTHS.shared]}
    assert len({row[CAMPUS_LENGTHS.shared] for row in rows}) > BATCH
    assert {len(row) for row in rows} == {CAMPUS_LENGTHS.shared + CAMPUS_LENGTHS.own}
