"""Progress of a child process: events in a file, or a bar in the terminal."""

from pathlib import Path

import pytest

from config.progress import PROGRESS_FILE, ProgressBar, latest_event


def test_events_hold_what_a_bar_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Name, counts, time left and message; nothing is drawn into the log."""
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv(PROGRESS_FILE, str(path))
    assert latest_event(path) is None
    with ProgressBar("teacher", " answers", 40, initial=10) as bar:
        bar.update(10)
        bar.set_postfix(loss="0.5")
        event = latest_event(path)
    assert event is not None
    assert (event.n, event.total, event.postfix) == (20, 40, "loss=0.5")
    text = event.model_copy(update={"elapsed": 5.0}).meter(0)
    assert text == "teacher:  50% 20/40 [00:05<00:10,  2.00 answers/s, loss=0.5]"
    assert len(event.meter(60)) == 60
    assert capfd.readouterr().err == ""


def test_a_torn_event_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline reads while the child writes."""
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv(PROGRESS_FILE, str(path))
    with ProgressBar("judge", " questions", 4) as bar:
        bar.update(3)
    whole = latest_event(path)
    with path.open("a") as file:
        file.write('{"prefix": "ju')
    assert whole is not None and whole.n == 3
    assert latest_event(path) == whole


def test_without_a_file_the_bar_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PROGRESS_FILE, raising=False)
    with ProgressBar("judge", " questions", 4) as bar:
        bar.update(4)
    assert "judge: 100%" in capfd.readouterr().err
