"""SIGTERM and SIGINT in the middle of a batch."""

import os
import signal
from pathlib import Path

import pytest

from config.cli import run_command
from data.answers import read_answers
from engine.batch_job import run_job
from tests.engine.fake_engine import FakeEngine, fake_tasks


def stopped(path: Path, paid: Path, seed: int, by: signal.Signals) -> int:
    """The exit code of a command that gets a signal after some completions."""
    child = os.fork()
    if child == 0:
        code = 99
        # ignored in what a shell starts in the background, and children inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            engine = FakeEngine(seed, paid, dies_after=20 + seed, signal_number=by)
            run_command(lambda: 0 if run_job(engine, fake_tasks(2000), path, {}) else 1)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os._exit(code)  # the child is no second pytest, whatever was raised
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.reliability(line=1)
def test_signals_lose_nothing_and_end_with_their_codes(tmp_path: Path) -> None:
    """20 stops over 2,000 rows, 64 in flight: 143 or 130, 0 lost, 0 doubled, ≤ 1.05 × paid."""
    path, paid, whole = tmp_path / "a.jsonl", tmp_path / "paid", tmp_path / "whole.jsonl"
    for seed in range(20):
        by, code = ((signal.SIGTERM, 143), (signal.SIGINT, 130))[seed % 2]
        assert stopped(path, paid, seed, by) == code
    assert 400 < len(read_answers(path)) < 2000
    run_job(FakeEngine(0, paid), fake_tasks(2000), path, {})
    run_job(FakeEngine(1, tmp_path / "other"), fake_tasks(2000), whole, {})
    assert path.read_bytes() == whole.read_bytes()
    assert paid.stat().st_size <= 1.05 * 2000
