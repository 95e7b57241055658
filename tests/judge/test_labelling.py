"""Sheets for people: what is on them, what spreadsheet programs do to them, what comes back."""

import csv
import io
import subprocess
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.errors import ConfigError, DataError
from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run import Run
from data.store import read_record, read_records, write_records
from judge.calibration import exporting, importing
from judge.calibration.exporting import sample
from judge.calibration.importing import Labels
from judge.calibration.labelling import COLUMNS, Mark, answer_id, read_sheet, sheet
from judge.calibration.ppi import powered_rate
from judge.judging import asked_pairs
from judge.stats import rate
from judge.verdicts import Verdict
from tests.judge.made import make_answer, make_row
from tests.report.made import make_run as finished_run

PAIRS = [(make_row(f"r{n}"), make_answer(f"answer {n}", f"r{n}")) for n in range(20)]


def cells(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def written(path: Path, text: str, encoding: str = "utf-8-sig") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


class TestSheet:
    def test_says_what_the_author_saw_and_not_who_it_was(self) -> None:
        row = make_row("r1", ("Первый.", "Второй, «в кавычках»;\nи строка"), question='Что "это"?')
        data = sheet([(row, make_answer("Ответ", arm="student/x"))])
        assert data.startswith(b"\xef\xbb\xbf")
        (line,) = cells(data)
        assert tuple(line) == COLUMNS
        assert line["contexts"] == "Первый.\n\nВторой, «в кавычках»;\nи строка"
        assert (line["row"], line["question"], line["answer"]) == ("r1", 'Что "это"?', "Ответ")
        assert (line["verdict"], line["comment"]) == ("", "")
        assert b"student" not in data

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
    def test_no_cell_is_a_formula(self, begin: str) -> None:
        """Every cell that outsiders write: row id, question, contexts, answer."""
        evil = f"{begin}cmd|' /C calc'!A0"
        row = make_row(evil, (evil,), question=evil)
        (line,) = cells(sheet([(row, make_answer(evil, evil))]))
        assert [line[name] for name in COLUMNS[1:5]] == ["'" + evil] * 4
        assert not line["id"].startswith(("=", "+", "-", "@"))

    def test_a_harmless_cell_stays(self) -> None:
        (line,) = cells(sheet([(make_row(), make_answer("a = b, 1-2 @ c"))]))
        assert line["answer"] == "a = b, 1-2 @ c"

    def test_ids_are_no_numbers_and_differ(self) -> None:
        """Of arm, row, sample and text each is in the id; 2,000 ids are all different words."""
        answer = make_answer("да")
        changed: list[dict[str, Any]] = [
            {"arm": "b"},
            {"row": "r2"},
            {"sample": 1},
            {"text": "нет"},
        ]
        ids = {answer_id(answer.model_copy(update=change)) for change in [{}, *changed]}
        ids |= {answer_id(make_answer(str(number))) for number in range(2000)}
        assert len(ids) == 2005
        assert all(one.startswith("a") and one.isalnum() for one in ids)


class TestSample:
    def test_seeded_without_replacement_whatever_the_stored_order(self) -> None:
        first = sample(PAIRS, "base", 12, 3)
        assert first == sample(PAIRS[::-1], "base", 12, 3)
        assert len({answer.row for _, answer in first}) == 12
        assert first != sample(PAIRS, "base", 12, 4)
        assert sample(PAIRS, "base", 20, 3)[:12] == first

    def test_every_answer_is_as_likely(self) -> None:
        """5 of 20 in 4,000 samples: each about 1,000 times, ± 5 × 27; each first about 200."""
        drawn = [sample(PAIRS, "base", 5, seed) for seed in range(4000)]
        often = Counter(answer.row for one in drawn for _, answer in one)
        assert len(often) == 20 and all(abs(count - 1000) < 137 for count in often.values())
        first = Counter(one[0][1].row for one in drawn)
        assert all(abs(count - 200) < 70 for count in first.values())

    def test_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"--arm teacher: .* there are base"):
            sample(PAIRS, "teacher", 5, 0)
        for number in (0, 21):
            with pytest.raises(ConfigError, match=rf"--rows {number}: base has 20 answers"):
                sample(PAIRS, "base", number, 0)


class TestReading:
    def test_what_spreadsheet_programs_save(self, tmp_path: Path) -> None:
        """Commas, semicolons (Excel in Russian) and tabs; empty lines at the end; any case."""
        expected = [
            Mark(2, "a1", True, "да, так"),
            Mark(3, "a2", False, None),
            Mark(4, "a3", None, None),
        ]
        for delimiter in ",;\t":
            lines = [COLUMNS, ("a1", *"wxyz", " Good", "да, так"), ("a2", *"wxyz", "BAD", " ")]
            lines += [("a3", *"wxyz", "", ""), ("",) * 7]
            file = io.StringIO()
            csv.writer(file, delimiter=delimiter).writerows(lines)
            path = written(tmp_path / "s.csv", file.getvalue())
            assert read_sheet(path) == expected
            windows = "".join(
                delimiter.join(line) + "\r\n" for line in lines if "," not in line[-1]
            )
            path = written(tmp_path / "w.csv", windows, "cp1251")
            assert [mark.answer for mark in read_sheet(path)] == ["a2", "a3"]

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ("id,verdict,comment\na1,good,\na2,maybe,", r":3: verdict 'maybe' is none; write good"),
            ("id,verdict,comment\na1,good,\na2,bad,\na1,bad,", r":4: id 'a1' is on line 2 already"),
            ("id,comment\na1,", r":2: no column 'verdict'; keep the header id,row"),
            ("id,verdict,comment\na1,good", r":2: 2 fields under a header of 3; mend the row"),
            ('id,verdict,comment\na1,good,"x', r":2: a quote opened in this row is never closed"),
        ],
    )
    def test_errors_name_the_line(self, tmp_path: Path, lines: str, message: str) -> None:
        with pytest.raises(DataError, match=r"s\.csv" + message):
            read_sheet(written(tmp_path / "s.csv", lines))

    def test_a_comment_in_another_encoding(self, tmp_path: Path) -> None:
        path = written(tmp_path / "s.csv", "id;verdict;comment\na1;good;да", "cp1251")
        with pytest.raises(DataError, match=r":2: comment: .* save the sheet as CSV in UTF-8"):
            read_sheet(path)


def make_run(folder: Path) -> Config:
    """A finished run that nobody has labelled yet."""
    config = finished_run(folder)
    Run.of(config).labels.unlink()
    return config


def exported(config: Config, arm: str = "teacher", rows: int = 12) -> Path:
    """The path of the sheet."""
    assert exporting.run(config, Namespace(arm=arm, rows=rows)) == 0
    (path,) = Run.of(config).labelling("x").parent.glob("*.csv")
    return path


def filled(path: Path, verdicts: Sequence[str]) -> Path:
    """A copy of the sheet with these verdicts in its first lines."""
    lines = cells(path.read_bytes())
    for line, verdict in zip(lines, verdicts, strict=False):
        line["verdict"] = verdict
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    writer.writerows(lines)
    return written(path.with_name("back.txt"), file.getvalue())


def imported(config: Config, path: Path) -> Labels:
    assert importing.run(config, Namespace(sheet=path)) == 0
    return read_record(Run.of(config).labels, Labels)


class TestThroughARun:
    """24 rows; the teacher breaks a must-rule on the last four, the base on all but two."""

    def test_labels_and_scores_meet(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = make_run(tmp_path)
        path = exported(config)
        verdicts = ["good"] * 7 + ["bad"] * 3
        made = imported(config, filled(path, verdicts)).arms["teacher"]
        assert (made.answers, made.labelled, made.blank, made.judge_missing) == (24, 10, 2, 0)
        assert (made.people.value, made.judge and made.judge.value) == (0.7, 20 / 24)
        marked = dict(
            zip([line["row"] for line in cells(path.read_bytes())], verdicts, strict=False)
        )
        assert {one.row: one.good for one in made.labels} == {
            row: verdict == "good" for row, verdict in marked.items()
        }
        rows = [f"val-{number:04d}" for number in range(24)]
        labels = [marked[row] == "good" if row in marked else None for row in rows]
        expected = powered_rate(labels, [float(number < 20) for number in range(24)], rows)
        assert expected is not None and made.weight == pytest.approx(expected.weight)
        found = (made.powered.value, made.powered.low, made.powered.high)
        assert found == pytest.approx(expected.rate)
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
        found = imported(config, filled(exported(config, "base", 5), ["bad"] * 5))
        assert {arm: made.labelled for arm, made in found.arms.items()} == {"teacher": 2, "base": 5}
        assert found.arms["base"].weight == 0.0  # all alike: theirs alone
        expected = rate([False] * 5, range(5))
        assert expected is not None and found.arms["base"].powered.high == expected.high

    def test_missing_scores_are_counted(self, tmp_path: Path) -> None:
        """Three must-verdicts of the teacher get lost: missing, neither fail nor pass."""
        config = make_run(tmp_path)
        path = Run.of(config).verdicts
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
        made = imported(config, filled(exported(config), ["good", "bad"] * 6)).arms["teacher"]
        assert made.judge_missing == 2  # row 23 fails another rule
        assert made.judge is not None and made.judge.value == 18 / 22

    def test_a_filled_sheet_is_not_overwritten(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = exported(config)
        untouched = path.read_bytes()
        assert exported(config).read_bytes() == untouched
        path.write_bytes(filled(path, ["good"]).read_bytes())
        with pytest.raises(DataError, match="holds another sample, or labels"):
            exporting.run(config, Namespace(arm="teacher", rows=12))

    def test_what_cannot_be_imported(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = filled(exported(config), ["good"] * 12)
        text = path.read_text(encoding="utf-8-sig")
        lines = text.splitlines(keepends=True)
        first = cells(path.read_bytes())[0]["id"]
        bad = written(path.with_name("bad.csv"), text.replace(first, "a0"))
        with pytest.raises(DataError, match=r"bad\.csv:2: id 'a0' is of no answer in this run"):
            importing.run(config, Namespace(sheet=bad))
        base = filled(sheet_of(config, "base", tmp_path), ["good"] * 3)
        other = base.read_text(encoding="utf-8-sig").splitlines(keepends=True)
        mixed = written(path.with_name("mixed.csv"), "".join(lines + other[1:]))
        with pytest.raises(DataError, match=r"an answer of base among those of teacher"):
            importing.run(config, Namespace(sheet=mixed))
        blank = filled(sheet_of(config, "teacher", tmp_path), ["good"])
        with pytest.raises(DataError, match="fewer than two verdicts"):
            importing.run(config, Namespace(sheet=blank))
        Run.of(config).verdicts.unlink()
        with pytest.raises(DataError, match="CONFIG score` first"):
            importing.run(config, Namespace(sheet=path))
        assert not Run.of(config).labels.exists()

    def test_an_answer_that_was_never_asked_is_not_labelled(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = Run.of(config).answers("teacher")
        answers = list(read_records(path, Answer))
        gone = answers[0].model_copy(update={"finish": "too_long", "text": ""})
        write_records(path, [gone, *answers[1:]])
        with pytest.raises(ConfigError, match="teacher has 23 answers"):
            exporting.run(config, Namespace(arm="teacher", rows=24))

    def test_from_the_command_line(self, tmp_path: Path) -> None:
        config = make_run(tmp_path)
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
        command = [sys.executable, "-m", "judge", str(path)]
        arguments = ["export-for-labelling", "--arm", "teacher", "--rows", "6"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        made = filled(Path(done.stdout.split(": ")[1].strip()), ["good", "bad"] * 3)
        arguments = ["import-labels", str(made), "seed=0"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("teacher: 6 of 24 labelled (0 left blank): people 50.0%")


def sheet_of(config: Config, arm: str, folder: Path) -> Path:
    """A sheet of an arm elsewhere than in the run."""
    pairs: list[tuple[Row, Answer]] = asked_pairs(config)
    path = folder / f"{arm}.csv"
    path.write_bytes(sheet(sample(pairs, arm, 3, 0)))
    return path
