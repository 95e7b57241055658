"""report.json and what the pages say of it, on a run whose numbers can be counted by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from config.errors import DataError
from data.run_paths import RunPaths
from report.examples import choose_examples
from report.formats import duration, fenced, markdown, p_value, percent, short, signed_points
from report.headline import headline_sentence
from report.numbers import build_numbers
from report.render import render_html
from report.run_files import read_run
from report.serving import build_serving_guide
from report.settings_table import compare_settings
from tests.report.run_fixture import make_run, read_fixture

ROOT = Path(__file__).resolve().parents[2]


def test_report_json_keeps_its_contract(tmp_path: Path) -> None:
    """Base 2, student 18, teacher 20 of 24: 16/18 of the gap."""
    report = json.loads(build_numbers(read_fixture(tmp_path)).model_dump_json())
    gap = report["gap_closed"]
    assert gap["value"] == pytest.approx(16 / 18)
    assert gap["low"] < gap["value"] < gap["high"] + 1e-9
    assert gap["refused"] is None
    strict = report["arms"]["student/lora"]["strict"]
    assert (strict["rate"], strict["n"], strict["missing"]) == (0.75, 24, 0)
    assert strict["low"] < 0.75 < strict["high"]
    rule = report["arms"]["teacher"]["rules"]["refusal"]
    assert (rule["applicable"], rule["passes"]) == (8, 7)
    assert report["best"] == "lora"
    ends = ", ".join(f"{100 * gap[end]:.1f}" for end in ("low", "high"))
    assert report["headline"].startswith(f"The student closes 88.9 % [{ends}] of the gap")
    assert report["tokens"]["saved"] == report["tokens"]["saved_least"] == 800
    assert (report["tokens"]["prompted"], report["tokens"]["rows"]) == (911.5, 24)
    assert report["judge"]["calibrated"] is False
    assert set(report["references"]) >= {"base", "teacher", "student/lora"}
    assert [student["name"] for student in report["students"]] == ["lora", "other"]
    assert report["timings"]["teacher generate"] == 100.5
    assert report["not_run"] == []
    assert {row["student"] for row in report["comparisons"]} == {"student/lora"}


def test_refused_gap_says_why(tmp_path: Path) -> None:
    """A teacher that is no better than the base leaves no gap to close."""
    material = read_run(make_run(tmp_path, teacher=2))
    numbers = build_numbers(material)
    assert numbers.gap_closed.value is None
    assert "not clearly above zero" in (numbers.gap_closed.refused or "")
    assert "is not stated" in headline_sentence(numbers.gap_closed)
    assert "not clearly above zero" in render_html(material, numbers)


def test_the_choice_is_told_with_what_it_took_off(tmp_path: Path) -> None:
    """The other student obeys on a part of the best one's rows: nothing is taken off."""
    warnings = build_numbers(read_fixture(tmp_path)).warnings
    assert any(
        warning.startswith(
            "lora is the best of 2 students on these rows: for that choice 0.0 points"
        )
        for warning in warnings
    )
    assert any(
        warning.startswith(
            "Not corrected: the student's best checkpoint was chosen from 2 evaluations on 20 of "
            "these val rows"
        )
        for warning in warnings
    )


def test_scores_from_before_the_correction_say_so(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    path = RunPaths.of(config).scores
    result = json.loads(path.read_text("utf-8"))
    del result["scores"]["choice"]
    path.write_text(json.dumps(result), "utf-8")
    (warning,) = (w for w in build_numbers(read_run(config)).warnings if "best of 2" in w)
    assert "its number is too high. Run `unprompted judge CONFIG score` again" in warning


def test_uncalibrated_judge_is_named(tmp_path: Path) -> None:
    material = read_fixture(tmp_path)
    page = render_html(material, build_numbers(material))
    assert "not calibrated against people (only code was calibrated, not judge ); its" in page
    assert "are shown for orientation and decide no strict score." in page
    assert "it judges its own kind" in page


def test_examples_are_few_distinct_and_of_each_kind(tmp_path: Path) -> None:
    examples = choose_examples(read_fixture(tmp_path))
    reasons = [example.reason for example in examples]
    assert len({example.row.id for example in examples}) == len(examples) <= 8
    assert reasons[:2] == [
        "An ordinary question: no special rule applies",
        "The rule “refusal” applies",
    ]
    assert any("student breaks" in reason for reason in reasons)
    assert any("base does not" in reason for reason in reasons)
    arms = {tuple(answer.arm for answer in example.answers) for example in examples}
    assert arms == {("base", "teacher", "student/lora")}


def test_students_differ_in_the_settings_shown(tmp_path: Path) -> None:
    material = read_fixture(tmp_path, "x")
    assert material.choice is not None
    table = compare_settings([student.settings for student in material.choice.ranked])
    assert table.columns == ("learning_rate",)
    assert table.common == (("note", "x"), ("method.kind", "lora"))
    assert table.rows == (("0.0001",), ("0.001",))
    assert material.training["lora"].speed == 250.0  # the median


def test_serving_sends_no_system_message(tmp_path: Path) -> None:
    guide = build_serving_guide(read_fixture(tmp_path, "it's"))
    assert guide is not None and guide.command is not None and guide.request is not None
    assert "--max-lora-rank 16" in guide.command  # rank 12: the next that vLLM offers
    body = json.loads(guide.request.split("<<'JSON'\n")[1].removesuffix("\nJSON"))
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["model"] == "lora"
    assert body["messages"][0]["content"].endswith("Q: Your question")


def test_torn_file_is_named(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    run = RunPaths.of(config)
    run.scores.write_text('{"scores": ')
    with pytest.raises(DataError, match=r"scores\.json.*remove the file"):
        read_run(config)


def test_command_writes_all_four_files(tmp_path: Path) -> None:
    config = make_run(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "report", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("The student closes")
    run = RunPaths.of(config)
    assert run.report("html").exists()
    assert run.report("md").exists()
    assert json.loads(run.report("json").read_text())["best"] == "lora"
    assert "# lora" in (run.best / "README.md").read_text()


def test_nothing_heavy_is_imported() -> None:
    code = "import report.__main__, sys; print({'torch', 'vllm', 'transformers'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_formats() -> None:
    assert (percent(0.7325), percent(None), percent(-0.0001)) == ("73.2 %", "–", "0.0 %")
    assert (signed_points(0.039), signed_points(-0.1)) == ("+3.9 points", "−10.0 points")
    assert (p_value(0.0), p_value(0.0131)) == ("p < 0.001", "p = 0.013")
    assert [duration(s) for s in (4.25, 72, 252, 7300)] == [
        "4.2 s",
        "72 s",
        "4 min 12 s",
        "2 h 1 min",
    ]
    assert short("abcdef", 3) == "abc … (3 characters more)"
    assert markdown("a|b\n<c> [d](e)") == "a\\|b &lt;c&gt; \\[d\\](e)"
    assert fenced("a\n```\nb").startswith("````\n")
