"""The teacher's benchmark computes and says what it means to."""

import pytest

from benchmarks.generation.__main__ import _HOW, LIMITS, Figures, figures, table
from benchmarks.generation.bookkeeping import Bookkeeping
from benchmarks.generation.throughput import BATCH, CAMPUS, Timing, prompts

FOUND = [
    Timing(system="ours", rows=256, seconds=100, tokens=12_800),
    Timing(system="raw vLLM", rows=256, seconds=98, tokens=12_800, cached=0.8),
    Timing(system="ours, 16 own", rows=64, seconds=2, tokens=512),
    Timing(system="vLLM without prefix cache", rows=32, seconds=50, tokens=1600, cached=0.0),
    Timing(system="transformers", rows=32, seconds=100, tokens=1600),
]
BOOKED = Bookkeeping(rows=1_000_000, rows_per_s=9000, rerun_rows_per_s=30_000, mb=180)


def test_the_figures_by_hand() -> None:
    """2.56 rows/s of ours against 2.61, 0.64 and 0.32."""
    found = figures(FOUND, BOOKED)
    assert found.over_raw_vllm == pytest.approx(0.98)
    assert found.vs_no_prefix_cache == pytest.approx(4.0)
    assert found.vs_transformers == pytest.approx(8.0)
    assert (found.bookkeeping_rows_per_s, found.million_rows_mb) == (9000, 180)
    fewer = BOOKED.model_copy(update={"rows": 100_000, "mb": 20})
    assert figures(FOUND, fewer).million_rows_mb == pytest.approx(200)


def test_every_figure_has_its_limit_and_line() -> None:
    """The table's numbers are the figures', rounded."""
    assert set(LIMITS) == set(Figures.model_fields) == set(_HOW)
    text = table(figures(FOUND, BOOKED), FOUND, BOOKED)
    assert all(text.count(f"| {name} | ") == 1 for name in LIMITS)
    assert "| over_raw_vllm | 0.980 | ≥ 0.97 | " in text
    assert "| million_rows_mb | 180 | ≤ 300 | " in text
    assert "| raw vLLM | 256 | 98.0 | 2.61 | 130.6 | 80.0% |" in text
    assert "30,000 rows/s" in text


def test_the_rows_share_their_beginning_and_nothing_else() -> None:
    """Else a cache would hold more than it may; batches of equal lengths are not padded."""
    rows = prompts(2 * BATCH, CAMPUS)
    assert {row[: CAMPUS.shared] for row in rows} == {rows[0][: CAMPUS.shared]}
    assert len({row[CAMPUS.shared] for row in rows}) > BATCH
    assert {len(row) for row in rows} == {CAMPUS.shared + CAMPUS.own}
