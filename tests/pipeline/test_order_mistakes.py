"""Commands in the wrong order, twice at once, or where nothing can be written: one line each."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline.__main__
import pipeline.manifest
import report.__main__
import student.__main__
from config.checkout import ROOT
from config.cli import run_command
from data.jsonl import write_records
from data.rows import Row
from data.run_paths import RunPaths, Split
from tests.pipeline.plan_experiment import make_experiment

HOLDER = """
import sys, time
from pathlib import Path
from data.file_lock import claim
with claim(Path(sys.argv[1]), "run"):
    print("claimed", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs a command in this process; returns its only error line, of exit code 2."""

    def run(main: Callable[[], int], *words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["command", *words])
        with pytest.raises(SystemExit) as end:
            run_command(main)
        lines = capsys.readouterr().err.splitlines()
        assert end.value.code == 2 and len(lines) == 1, lines
        return lines[0].removeprefix("error: ")

    return run


def test_training_before_selection(tmp_path: Path, ended: Callable[..., str]) -> None:
    """The missing file, and the command that writes it: first the data, then the selection."""
    run, words = RunPaths.of(make_experiment(tmp_path)), (str(tmp_path / "t.yaml"), "train")
    line = ended(student.__main__.main, *words)
    assert line.startswith(f"{run.split('train')}: not there; run `")
    write_records(run.split("train"), [Row(id="r", question="Where?")])
    line = ended(student.__main__.main, *words)
    assert line.startswith(f"{run.selected}: not there; run `")
    assert "teacher" in line and "select" in line and line.endswith("first")


def test_a_report_before_anything(tmp_path: Path, ended: Callable[..., str]) -> None:
    """No file is written: an empty report would look like a result."""
    run = RunPaths.of(make_experiment(tmp_path))
    line = ended(report.__main__.main, str(tmp_path / "t.yaml"))
    assert line.startswith(f"{run.root}: nothing to report yet; run `")
    assert not run.root.exists()


def test_a_second_run_at_once(tmp_path: Path, ended: Callable[..., str]) -> None:
    """The second one names the first, and how to end it."""
    run = RunPaths.of(make_experiment(tmp_path))
    run.root.mkdir(parents=True)
    command, env = [sys.executable, "-c", HOLDER, str(run.root)], {"PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | env)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "claimed\n"
        line = ended(pipeline.__main__.main, str(tmp_path / "t.yaml"))
        assert line.startswith(f"{run.root / 'run'}: process {holder.pid} is writing it (")
        assert line.endswith(f"; wait for it or end it: kill {holder.pid}")
    finally:
        holder.kill()
        holder.communicate()


def test_a_place_where_nothing_can_be_written(tmp_path: Path, ended: Callable[..., str]) -> None:
    """A file stands where the folder of all runs belongs."""
    make_experiment(tmp_path)
    (tmp_path / "runs").write_text("")
    line = ended(pipeline.__main__.main, str(tmp_path / "t.yaml"))
    assert line.startswith(str(tmp_path / "runs"))
    assert line.endswith("a folder belongs there; move the file away")


def test_the_run_warns_of_too_few_steps_before_the_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its second stage says what the dry run says; the pipeline shows lines like these."""
    run = RunPaths.of(make_experiment(tmp_path, students=[{"name": "s"}]))
    rows = [Row(id=f"r{n}", question="Where?", labels=("fine",)) for n in range(24)]
    splits: tuple[Split, ...] = ("train", "val")
    for split in splits:
        write_records(run.split(split), rows)
    monkeypatch.setattr(sys, "argv", ["manifest", str(tmp_path / "t.yaml")])
    assert pipeline.manifest.main() == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: student s: 2 optimiser steps at most (24 rows, batch_size 32")


@pytest.mark.parametrize("option", ["--rows", "--verbose"])
def test_an_option_of_the_dry_run_starts_no_run(ended: Callable[..., str], option: str) -> None:
    """It would be ignored, and minutes of training begin in place of a look at the rows."""
    line = ended(pipeline.__main__.main, "my.yaml", option)
    assert line == f"unprompted run: {option} is of the dry run; add --dry-run"
