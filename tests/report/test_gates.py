"""The thresholds on the pages: one line each, with the outcome that `judge gate` gives it."""

from pathlib import Path

from config.judging import GateSettings
from config.schema import Config
from data.run_paths import RunPaths
from judge.gate.command import measure
from judge.gate.thresholds import decide
from report.gates import gates
from report.gather import gather
from report.numbers import make_numbers
from report.render import render_html, render_markdown
from tests.report.made import gathered, make_run


def test_none_is_set(tmp_path: Path) -> None:
    material = gathered(tmp_path)
    assert gates(material) == ()
    assert 'id="gates"' not in render_html(material, make_numbers(material))


def test_each_is_a_line(tmp_path: Path) -> None:
    """The student obeys on 18 of 24 rows, the teacher on 20: 75 % strict, 16/18 of the gap."""
    config = _with(make_run(tmp_path), strict_min=0.75, gap_closed_min=0.9)
    material = gather(config)
    numbers = make_numbers(material)
    outcomes = {one.name: one.outcome for one in numbers.gates}
    assert outcomes == {"max_missing": "pass", "strict_min": "pass", "gap_closed_min": "fail"}
    assert [one.said for one in numbers.gates] == [
        gate.said for gate in decide(config.judge, measure(config))
    ]
    page, text = render_html(material, numbers), render_markdown(material, numbers)
    assert 'class="mark no">✗ fail</td><th scope="row">gap_closed_min</th>' in page
    assert 'class="mark yes">✓ pass</td><th scope="row">strict_min</th>' in page
    assert "| gap\\_closed\\_min | fail | 88.9% \\[" in text


def test_not_scored_is_undecided_and_says_what_to_run(tmp_path: Path) -> None:
    config = _with(make_run(tmp_path), strict_min=0.5)
    RunPaths.of(config).scores.unlink()
    material = gather(config)
    (one,) = gates(material)
    assert (one.outcome, "CONFIG score` first" in one.said) == ("undecided", True)
    page = render_html(material, make_numbers(material))
    assert 'class="mark not-known">? undecided</td>' in page


def _with(config: Config, **gate: float) -> Config:
    judge = config.judge.model_copy(update={"gate": GateSettings(**gate)})
    return config.model_copy(update={"judge": judge})
