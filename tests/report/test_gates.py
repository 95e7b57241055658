"""The gates on the pages: one line each, with the outcome that `judge gate` gives it."""

from pathlib import Path

from config.judging import GateSettings
from data.run_paths import RunPaths
from judge.gate.thresholds import decide_gates, read_measurements
from judge.summary.summarise import write_summary
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import read_run
from tests.report.run_fixture import make_run, read_fixture, with_gates


def test_none_is_set(tmp_path: Path) -> None:
    material = read_fixture(tmp_path)
    numbers = build_numbers(material)
    assert numbers.gates == ()
    assert 'id="gates"' not in render_html(material, numbers)


def test_each_is_a_line(tmp_path: Path) -> None:
    """18 of 24 rows obey, and 20 of the teacher's. Each threshold lies outside its interval."""
    config = with_gates(make_run(tmp_path), GateSettings(strict_min=0.45, gap_closed_min=2.5))
    write_summary(config)
    material = read_run(config)
    numbers = build_numbers(material)
    outcomes = {gate.name: gate.outcome for gate in numbers.gates}
    assert outcomes == {
        "max_missing": "pass",
        "serve": "pass",
        "strict_min": "pass",
        "gap_closed_min": "fail",
    }
    assert list(numbers.gates) == list(decide_gates(config.judge, read_measurements(config)))
    page, text = render_html(material, numbers), render_markdown(material, numbers)
    assert 'class="mark no">✗ fail</td><th scope="row">gap_closed_min</th>' in page
    assert 'class="mark yes">✓ pass</td><th scope="row">strict_min</th>' in page
    assert "| ✗ fail | gap\\_closed\\_min | 88.9% \\[" in text


def test_not_scored_is_undecided_and_says_what_to_run(tmp_path: Path) -> None:
    config = with_gates(make_run(tmp_path), GateSettings(strict_min=0.5))
    RunPaths.of(config).scores.unlink()
    write_summary(config)
    material = read_run(config)
    numbers = build_numbers(material)
    (gate,) = numbers.gates
    assert (gate.outcome, "CONFIG score` first" in gate.message) == ("undecided", True)
    assert 'class="mark not-known">? undecided</td>' in render_html(material, numbers)
