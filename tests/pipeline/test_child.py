"""A stage's child process: its log, its progress, and the reason when it fails."""

from pathlib import Path

import pytest

from pipeline.child import failure_reason, run_child

STAGE = """
import sys, time
from config.progress import ProgressBar
with ProgressBar("train", " answers", 4) as bar:
    bar.update(3)
    bar.refresh()
    print("working", flush=True)
    time.sleep(1)
sys.exit(7)
"""


def test_shows_progress_and_keeps_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output goes to the log, the progress to this process."""
    (tmp_path / "some_stage.py").write_text(STAGE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    log = tmp_path / "logs" / "stage.log"
    assert run_child(["some_stage"], log, "some stage", quiet_s=0.2) == 7
    assert log.read_text() == "working\n"
    assert "some stage: train:  75% 3/4 [" in capsys.readouterr().out


def test_a_failure_names_its_error_line(tmp_path: Path) -> None:
    log = tmp_path / "stage.log"
    log.write_text("loading\nerror: rows.jsonl:3: no question\nbye\n")
    assert failure_reason(log, 2) == "rows.jsonl:3: no question"


def test_several_mistakes_are_the_first_and_their_number(tmp_path: Path) -> None:
    """A mistaken file has a line for each; one of them alone would hide the others."""
    log = tmp_path / "stage.log"
    log.write_text("loading\nerror: a: line 1\nerror: a: line 2\n")
    assert failure_reason(log, 2) == f"a: line 1 (1 of 2 mistakes; all are in {log})"


def test_a_crash_shows_the_last_lines_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "stage.log"
    log.write_text("\n".join(f"line {number}" for number in range(9)))
    reason = failure_reason(log, -9)
    assert reason.startswith(f"exit code -9; the log's last lines ({log}):")
    assert reason.endswith("line 7\n  line 8") and "line 3" not in reason
