"""Sheets for people: their text, and how they survive spreadsheet programs."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigError, DataError
from judge.annotation.export import sample_answers
from judge.annotation.sheet import COLUMNS, SheetLine, answer_id, format_sheet, read_sheet
from tests.judge.annotation.sheet_files import sheet_rows, write_sheet
from tests.judge.factories import make_answer, make_row

PAIRS = [(make_row(f"r{n}"), make_answer(f"answer {n}", f"r{n}")) for n in range(20)]


class TestSheet:
    def test_says_what_the_author_saw_and_not_who_it_was(self) -> None:
        row = make_row("r1", ("Первый.", "Второй, «в кавычках»;\nи строка"), question='Что "это"?')
        data = format_sheet([(row, make_answer("Ответ", arm="student/x"))])
        assert data.startswith(b"\xef\xbb\xbf")
        (line,) = sheet_rows(data)
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
        (line,) = sheet_rows(format_sheet([(row, make_answer(evil, evil))]))
        assert [line[name] for name in COLUMNS[1:5]] == ["'" + evil] * 4
        assert not line["id"].startswith(("=", "+", "-", "@"))

    def test_a_harmless_cell_stays(self) -> None:
        (line,) = sheet_rows(format_sheet([(make_row(), make_answer("a = b, 1-2 @ c"))]))
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
        assert all(identity.startswith("a") and identity.isalnum() for identity in ids)


class TestSample:
    def test_seeded_without_replacement_whatever_the_stored_order(self) -> None:
        first = sample_answers(PAIRS, "base", 12, 3)
        assert first == sample_answers(PAIRS[::-1], "base", 12, 3)
        assert len({answer.row for _, answer in first}) == 12
        assert first != sample_answers(PAIRS, "base", 12, 4)
        assert sample_answers(PAIRS, "base", 20, 3)[:12] == first

    def test_every_answer_is_as_likely(self) -> None:
        """5 of 20 in 4,000 samples: each about 1,000 times, ± 5 × 27; each first about 200."""
        drawn = [sample_answers(PAIRS, "base", 5, seed) for seed in range(4000)]
        often = Counter(answer.row for sample in drawn for _, answer in sample)
        assert len(often) == 20 and all(abs(count - 1000) < 137 for count in often.values())
        first = Counter(sample[0][1].row for sample in drawn)
        assert all(abs(count - 200) < 70 for count in first.values())

    def test_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"--arm teacher: .* choose one of base"):
            sample_answers(PAIRS, "teacher", 5, 0)
        for number in (0, 21):
            with pytest.raises(ConfigError, match=rf"--rows {number}: base has 20 answers"):
                sample_answers(PAIRS, "base", number, 0)


class TestReading:
    def test_what_spreadsheet_programs_save(self, tmp_path: Path) -> None:
        """Commas, semicolons (Excel in Russian) and tabs; empty lines at the end; any case."""
        expected = [
            SheetLine(2, "a1", True, "да, так"),
            SheetLine(3, "a2", False, None),
            SheetLine(4, "a3", None, None),
        ]
        for delimiter in ",;\t":
            lines = [COLUMNS, ("a1", *"wxyz", " Good", "да, так"), ("a2", *"wxyz", "BAD", " ")]
            lines += [("a3", *"wxyz", "", ""), ("",) * 7]
            file = io.StringIO()
            csv.writer(file, delimiter=delimiter).writerows(lines)
            path = write_sheet(tmp_path / "s.csv", file.getvalue())
            assert read_sheet(path) == expected
            windows = "".join(
                delimiter.join(line) + "\r\n" for line in lines if "," not in line[-1]
            )
            path = write_sheet(tmp_path / "w.csv", windows, "cp1251")
            assert [mark.answer for mark in read_sheet(path)] == ["a2", "a3"]

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ("id,verdict,comment\na1,good,\na2,maybe,", r":3: unknown verdict 'maybe'; write good"),
            ("id,verdict,comment\na1,good,\na2,bad,\na1,bad,", r":4: id 'a1' is on line 2 already"),
            ("id,comment\na1,", r":2: no column 'verdict'; keep the header id,row"),
            ("id,verdict,comment\na1,good", r":2: 2 fields under a header of 3; correct the row"),
            ('id,verdict,comment\na1,good,"x', r":2: a quote opened in this row is never closed"),
        ],
    )
    def test_errors_name_the_line(self, tmp_path: Path, lines: str, message: str) -> None:
        with pytest.raises(DataError, match=r"s\.csv" + message):
            read_sheet(write_sheet(tmp_path / "s.csv", lines))

    def test_a_comment_in_another_encoding(self, tmp_path: Path) -> None:
        path = write_sheet(tmp_path / "s.csv", "id;verdict;comment\na1;good;да", "cp1251")
        with pytest.raises(DataError, match=r":2: comment: .* save the sheet as CSV in UTF-8"):
            read_sheet(path)
