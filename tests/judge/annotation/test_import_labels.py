"""People's labels of a run's answers: exported, imported and combined with the judge's scores."""

import csv
import io
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from config.errors import ConfigError, DataError
from config.schema import Config
from data.answers import Answer
from data.jsonl import read_record, read_records, write_records
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.export import export_command, sample_answers
from judge.annotation.import_labels import import_labels_command
from judge.annotation.sheet import COLUMNS, Labels, format_sheet
from judge.inputs import answered_pairs
from judge.metrics.estimators import LabelledSample, powered_rate
from judge.metrics.stats import rate
from judge.summary.records import LabelEstimate
from judge.summary.summarise import summarise, write_summary
from judge.verdict import Verdict
from report.numbers import build_numbers
from report.render import render_html, render_markdown
from report.run_files import read_run
from tests.judge.annotation.sheet_files import sheet_rows, write_sheet
from tests.judge.metrics.intervals import as_tuple
from tests.report.run_fixture import make_run as finished_run


def make_run(folder: Path) -> Config:
    """A finished run that nobody has labelled yet."""
    config = finished_run(folder)
    RunPaths.of(config).labels.unlink()
    return config


def exported(config: Config, arm: str = "teacher", rows: int = 12) -> Path:
    """The path of the sheet."""
    assert export_command(config, Namespace(arm=arm, rows=rows, rule=None)) == 0
    (path,) = RunPaths.of(config).annotation_sheet("x").parent.glob("*.csv")
    return path


def filled(path: Path, verdicts: Sequence[str]) -> Path:
    """A copy of the sheet with these verdicts in its first lines."""
    lines = sheet_rows(path.read_bytes())
    for line, verdict in zip(lines, verdicts, strict=False):
        line["verdict"] = verdict
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    writer.writerows(lines)
    return write_sheet(path.with_name("back.txt"), file.getvalue())


def imported(config: Config, path: Path) -> dict[str, LabelEstimate]:
    """What the run's labels say after the import, by arm."""
    assert import_labels_command(config, Namespace(sheet=path)) == 0
    labelled = read_run(config).summary.labelled
    return {arm: row.estimate for arm, row in labelled.items() if row.estimate is not None}


class TestThroughARun:
    """24 rows; the teacher breaks a must-rule on the last four, the base on all but two."""

    def test_labels_and_scores_meet(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = make_run(tmp_path)
        path = exported(config)
        verdicts = ["good"] * 7 + ["bad"] * 3
        estimate = imported(config, filled(path, verdicts))["teacher"]
        assert (estimate.answers, estimate.labelled, estimate.blank, estimate.judge_missing) == (
            24,
            10,
            2,
            0,
        )
        assert (estimate.people.value, estimate.judge and estimate.judge.value) == (0.7, 20 / 24)
        marked = dict(
            zip([line["row"] for line in sheet_rows(path.read_bytes())], verdicts, strict=False)
        )
        (arm_labels,) = read_record(RunPaths.of(config).labels, Labels).arms.values()
        assert {label.row: label.good for label in arm_labels.labels} == {
            row: verdict == "good" for row, verdict in marked.items()
        }
        rows = [f"val-{number:04d}" for number in range(24)]
        labels = [marked[row] == "good" if row in marked else None for row in rows]
        judged = [float(number < 20) for number in range(24)]
        expected = powered_rate(LabelledSample(labels, judged), rows)
        assert expected is not None and estimate.weight == pytest.approx(expected.weight)
        assert as_tuple(estimate.powered) == pytest.approx(as_tuple(expected.rate))
        line = capsys.readouterr().out.splitlines()[-1]
        low, high = f"{expected.rate.low:.1%}", f"{expected.rate.high:.1%}"
        assert line == (
            "teacher: 10 of 24 labelled (2 left blank): people 70.0%, judge 83.3% (0 missing), "
            f"PPI++ {expected.rate.value:.1%} [{low}, {high}]"
        )

    def test_other_arms_labels_stay(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        first = exported(config)
        imported(config, filled(first, ["good", "bad"]))
        first.unlink()
        estimates = imported(config, filled(exported(config, "base", 5), ["bad"] * 5))
        assert {arm: estimate.labelled for arm, estimate in estimates.items()} == {
            "teacher": 2,
            "base": 5,
        }
        assert estimates["base"].weight == 0.0  # all alike: theirs alone
        expected = rate([False] * 5, range(5))
        assert expected is not None and estimates["base"].powered.high == expected.high

    def test_the_difference_of_two_labelled_arms(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Both sheets hold the same rows, and the report says what people say beside the score."""
        config = make_run(tmp_path)
        first = exported(config, "student/lora")
        imported(config, filled(first, ["good"] * 4 + ["bad"] * 8))
        assert summarise(config).label_difference is None  # of one arm alone
        first.unlink()
        imported(config, filled(exported(config), ["good"] * 9 + ["bad"] * 3))
        difference = summarise(config).label_difference
        assert difference is not None and difference.value is not None
        estimates = [
            summarise(config).labelled[arm].estimate for arm in ("student/lora", "teacher")
        ]
        student, teacher = (estimate.powered.value for estimate in estimates if estimate)
        assert difference.value == pytest.approx(student - teacher)
        assert (difference.rows, difference.labelled, difference.labelled_both) == (24, 12, 12)
        points = f"{100 * difference.value:+.1f} points"
        assert f"teacher by people's labels (PPI++): {points} [" in capsys.readouterr().out
        material = read_run(config)
        page = render_html(material, build_numbers(material))
        assert "By people’s labels of both arms (PPI++)" in page.replace("&#39;", "’")
        path = RunPaths.of(config).answers("teacher")
        anew = [a.model_copy(update={"text": "Anew."}) for a in read_records(path, Answer)]
        write_records(path, anew)
        stale = summarise(config).label_difference
        assert stale is not None and stale.value is None
        assert (stale.refused or "").startswith("teacher: 12 of 12 labels belong to answers")

    def test_missing_scores_are_counted(self, tmp_path: Path) -> None:
        """Three must-verdicts of the teacher get lost: missing, neither fail nor pass."""
        config = make_run(tmp_path)
        path = RunPaths.of(config).verdicts
        lost = {"val-0000", "val-0001", "val-0023"}
        write_records(
            path,
            [
                verdict.model_copy(update={"outcome": "missing", "reason": "transport"})
                if verdict.arm == "teacher" and verdict.row in lost and verdict.outcome == "pass"
                else verdict
                for verdict in list(read_records(path, Verdict))
            ],
        )
        estimate = imported(config, filled(exported(config), ["good", "bad"] * 6))["teacher"]
        assert estimate.judge_missing == 3  # row 23 too: it fails another rule, but lacks a verdict
        assert estimate.judge is not None and estimate.judge.value == 18 / 21

    def test_labels_of_another_text_count_for_nothing(self, tmp_path: Path) -> None:
        """Twelve labels; then the teacher answers all rows anew, three of them word for word."""
        config = make_run(tmp_path)
        sheet_path = exported(config)
        imported(config, filled(sheet_path, ["good", "bad"] * 6))
        same = {line["row"] for line in sheet_rows(sheet_path.read_bytes())[:3]}
        path = RunPaths.of(config).answers("teacher")
        anew = [
            answer
            if answer.row in same
            else answer.model_copy(update={"text": f"{answer.text} Anew."})
            for answer in read_records(path, Answer)
        ]
        write_records(path, anew)
        write_summary(config)
        material = read_run(config)
        teacher = material.summary.labelled["teacher"]
        assert teacher.estimate is None
        reason = "9 of 12 labels belong to answers that were generated anew"
        assert (teacher.refused or "").startswith(reason)
        numbers = build_numbers(material)
        for page in (render_html(material, numbers), render_markdown(material, numbers)):
            assert f"not stated: {reason}" in page

    def test_the_scores_of_today_count(self, tmp_path: Path) -> None:
        """The judge's part is not older than its verdicts: two more fail after the import."""
        config = make_run(tmp_path)
        estimate = imported(config, filled(exported(config), ["good", "bad"] * 6))["teacher"]
        assert estimate.judge is not None and estimate.judge.value == 20 / 24
        path = RunPaths.of(config).verdicts
        stricter = [
            verdict.model_copy(update={"outcome": "fail"})
            if (verdict.arm, verdict.rule) == ("teacher", "opening")
            and verdict.row in ("val-0000", "val-0001")
            else verdict
            for verdict in read_records(path, Verdict)
        ]
        write_records(path, stricter)
        now = summarise(config).labelled["teacher"].estimate
        assert now is not None and now.judge is not None and now.judge.value == 18 / 24

    def test_a_filled_sheet_is_not_overwritten(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = exported(config)
        untouched = path.read_bytes()
        assert exported(config).read_bytes() == untouched
        path.write_bytes(filled(path, ["good"]).read_bytes())
        with pytest.raises(DataError, match="holds another sample, or labels"):
            export_command(config, Namespace(arm="teacher", rows=12, rule=None))

    def test_what_cannot_be_imported(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = filled(exported(config), ["good"] * 12)
        text = path.read_text(encoding="utf-8-sig")
        lines = text.splitlines(keepends=True)
        first = sheet_rows(path.read_bytes())[0]["id"]
        bad = write_sheet(path.with_name("bad.csv"), text.replace(first, "a0"))
        with pytest.raises(DataError, match=r"bad\.csv:2: unknown answer id 'a0'"):
            import_labels_command(config, Namespace(sheet=bad))
        base = filled(sheet_of(config, "base", tmp_path), ["good"] * 3)
        other = base.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        mixed = write_sheet(path.with_name("mixed.csv"), "".join(lines + other[1:]))
        with pytest.raises(DataError, match=r"an answer of base among those of teacher"):
            import_labels_command(config, Namespace(sheet=mixed))
        blank = filled(sheet_of(config, "teacher", tmp_path), ["good"])
        with pytest.raises(DataError, match="fewer than two verdicts"):
            import_labels_command(config, Namespace(sheet=blank))
        RunPaths.of(config).verdicts.unlink()
        with pytest.raises(DataError, match="CONFIG score` first"):
            import_labels_command(config, Namespace(sheet=path))
        assert not RunPaths.of(config).labels.exists()

    def test_an_answer_that_was_never_asked_is_not_labelled(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = RunPaths.of(config).answers("teacher")
        answers = list(read_records(path, Answer))
        gone = answers[0].model_copy(update={"finish": "too_long", "text": ""})
        write_records(path, [gone, *answers[1:]])
        with pytest.raises(ConfigError, match="teacher has 23 answers"):
            export_command(config, Namespace(arm="teacher", rows=24, rule=None))

    def test_from_the_command_line(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
        command = [sys.executable, "-m", "judge", str(path)]
        arguments = ["export-for-labelling", "--arm", "teacher", "--rows", "6"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        sheet = filled(Path(done.stdout.split(": ")[1].strip()), ["good", "bad"] * 3)
        arguments = ["import-labels", str(sheet), "seed=0"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("teacher: 6 of 24 labelled (0 left blank): people 50.0%")


def sheet_of(config: Config, arm: str, folder: Path) -> Path:
    """A sheet of an arm elsewhere than in the run."""
    pairs: list[tuple[Row, Answer]] = answered_pairs(config)
    path = folder / f"{arm}.csv"
    path.write_bytes(format_sheet(sample_answers(pairs, arm, 3, 0)))
    return path
