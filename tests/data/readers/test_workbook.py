"""Excel workbooks: read as CSV is, and refused in one line where they cannot be."""

import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from config.errors import DataError
from config.log_formats import FieldMap, TableLogs
from data.readers import workbook_file
from data.readers.logs import LogFile, read_logs
from data.readers.table_logs import read_table
from data.readers.write_back import write_back
from tests.data.readers.export_table import read_export
from tests.data.readers.recognised import recognise_logs
from tests.data.readers.workbooks import change_part, save_workbook, share_strings

HEADER = ("question", "answer")
FIELDS = FieldMap(question="question", answers={"production": "answer"})


def _read(path: Path) -> LogFile:
    return read_logs(TableLogs(path=path.name, fields=FIELDS), path.parent)


def _error(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        _read(path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    return message


def test_a_workbook_reads_as_the_same_table_in_csv() -> None:
    form, rows = read_export("excel.xlsx")
    csv_rows = read_export("excel_utf8.csv")[1]
    assert [(row.question, row.answers, row.contexts) for row in rows] == [
        (row.question, row.answers, row.contexts) for row in csv_rows
    ]
    assert rows[0].origin == "excel.xlsx:2"
    assert form.line() == (
        "excel.xlsx: table, 12 rows, passages in 12; not read: sheet 'Notes' of excel.xlsx"
    )


def test_numbers_dates_and_line_breaks_are_text_as_people_see_them(tmp_path: Path) -> None:
    rows = [HEADER, (5.0, date(2026, 3, 1)), ("a_x000D_\nb", True), (None, None), ("_x0041_", 2.5)]
    logs = _read(save_workbook(tmp_path / "b.xlsx", rows))
    assert [(row.question, row.answers["production"]) for row in logs.rows] == [
        ("5", "2026-03-01 00:00:00"),
        ("a\r\nb", "true"),
        ("A", "2.5"),
    ]
    assert logs.rows[-1].origin == "b.xlsx:5"  # the sheet's row, below a blank one


def test_a_cover_sheet_of_one_row_and_a_hidden_sheet_are_passed_over(tmp_path: Path) -> None:
    path = save_workbook(
        tmp_path / "b.xlsx",
        [("Cover",)],
        [(1, 2), (3, 4)],
        [HEADER, ("q", "a")],
        [HEADER, ("q2", "a")],
    )
    book = openpyxl.load_workbook(path)
    book["B"].sheet_state = "hidden"
    book.save(path)
    form = recognise_logs("b.xlsx", tmp_path)
    assert form.rows == 1
    assert form.unread == ("sheet 'A' of b.xlsx", "sheet 'B' of b.xlsx", "sheet 'D' of b.xlsx")


def test_a_cover_sheet_is_named_where_it_is_read_instead_of_the_table(tmp_path: Path) -> None:
    save_workbook(tmp_path / "b.xlsx", [("Report",), ("of March",)], [HEADER, ("q", "a")])
    with pytest.raises(DataError, match=r"have Report; name .* in front of the others \(sheet 'B'"):
        recognise_logs("b.xlsx", tmp_path)


def test_a_value_outside_the_named_columns_is_quarantined(tmp_path: Path) -> None:
    logs = _read(save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a"), ("q", "a", None, "more")]))
    assert [(bad.line, bad.reason) for bad in logs.quarantined] == [
        (3, "a value in column D, which has no name in the header, row 1")
    ]


def test_formula_errors_spoil_their_row_where_the_column_is_read(tmp_path: Path) -> None:
    rows = [(*HEADER, "other"), ("q", "#REF!", 1), ("q", "a", "#REF!"), ("q", "#N/A", 1)]
    path = save_workbook(tmp_path / "b.xlsx", rows)  # openpyxl stores such texts as errors
    logs = _read(path)
    assert [(bad.line, bad.reason) for bad in logs.quarantined] == [
        (2, "answer: the formula error #REF!; correct it in Excel and save the workbook")
    ]
    assert [row.answers for row in logs.rows] == [{"production": "a"}, {}]  # as N/A is in CSV


def test_a_formula_that_was_never_computed_is_no_empty_cell(tmp_path: Path) -> None:
    logs = _read(save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", '="a"&"b"'), ("q", "a")]))
    assert [(bad.line, bad.reason) for bad in logs.quarantined] == [
        (
            2,
            "answer: a formula without a stored result; correct it in Excel and save the workbook",
        )
    ]


def test_a_formula_whose_result_is_empty_or_not_available_is_an_empty_cell(tmp_path: Path) -> None:
    """As Excel stores them: an empty text, and the error #N/A."""
    path = save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "F1"), ("r", "F2"), ("s", "F3")])
    for text, kind, value in ((b"F1", b"str", b""), (b"F2", b"e", b"#N/A"), (b"F3", b"str", b"ok")):
        inline = b't="inlineStr"><is><t>%b</t></is>' % text
        stored = b't="%b"><f>A1</f><v>%b</v>' % (kind, value)
        change_part(path, "xl/worksheets/sheet1.xml", inline, stored)
    logs = _read(path)
    assert not logs.quarantined
    assert [row.answers for row in logs.rows] == [{}, {}, {"production": "ok"}]


def test_a_wrong_dimension_cuts_no_row_off(tmp_path: Path) -> None:
    path = save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a"), ("r", "b")])
    change_part(
        path, "xl/worksheets/sheet1.xml", b'<dimension ref="A1:B3"', b'<dimension ref="A1:A1"'
    )
    assert [row.answers["production"] for row in _read(path).rows] == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no visible sheet begins with a header row: all are empty; put a row with the names"),
        ([(1, "a")], "no visible sheet begins with a header row: row 1 of sheet 'A' holds '1', wh"),
        ([("q", "q")], "the header of sheet 'A' repeats the column 'q'; name each once"),
        ([HEADER], "no valid row; is it the right file?"),
    ],
)
def test_a_sheet_without_a_header_or_rows_is_one_line(
    tmp_path: Path, rows: list[Any], message: str
) -> None:
    assert message in _error(save_workbook(tmp_path / "b.xlsx", rows))


def test_files_that_are_no_workbook_are_one_line(tmp_path: Path) -> None:
    good = save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a" * 500)]).read_bytes()
    path = tmp_path / "bad.xlsx"
    password = "EncryptedPackage".encode("utf-16-le")
    for content, message in {
        b"\xd0\xcf\x11\xe0" + bytes(600) + password: "a workbook with a password; remove it (Exc",
        b"\xd0\xcf\x11\xe0" + bytes(600): "an old Excel workbook (.xls); save it as .xlsx",
        b"question,answer\n": "no Excel workbook, or damaged; save it as .xlsx",
        good[: len(good) // 2]: "a damaged Excel workbook",
        good.replace(b"PK\x01\x02", b"PK\x01\x03"): "a damaged Excel workbook",
    }.items():
        path.write_bytes(content)
        assert message in _error(path)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("xl/worksheets/sheet1.xml", b"</row>", b"</ro>"),
        ("xl/worksheets/sheet1.xml", b'<row r="2"', b'<row r="2000000"'),
        ("xl/worksheets/sheet1.xml", b'r="A2"', b'r="?"'),
        ("xl/worksheets/sheet1.xml", b"<v>2</v>", b"<v>99</v>"),
        ("xl/workbook.xml", b"<sheets>", b"<sheet>"),
        ("[Content_Types].xml", b"spreadsheetml.sheet.main", b"spreadsheetml.sheep.main"),
    ],
)
def test_damaged_xml_is_one_line(tmp_path: Path, part: str, old: bytes, new: bytes) -> None:
    path = share_strings(save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a")]))
    change_part(path, part, old, new)
    assert "a damaged Excel workbook" in _error(path)


def test_entities_are_refused_before_they_unfold(tmp_path: Path) -> None:
    path = share_strings(save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a")]))
    entity = b'<!DOCTYPE s [<!ENTITY a "aaaa">]><sst'
    change_part(path, "xl/sharedStrings.xml", b"<sst", entity)
    assert "xl/sharedStrings.xml declares a document type, which Excel never writes" in _error(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """60 MB of zeros pack a thousandfold: above 50 MB more than 200 times the size is refused."""
    path = save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a")])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/worksheets/sheet2.xml", bytes(60_000_000))
    assert "unpacks to 60 MB, more than 200 times its size" in _error(path)


def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_file, "_MAX_UNPACKED", 1000)
    path = save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a")])
    assert "MB, more than 0 MB; if it is not a zip bomb, save the sheet as CSV" in _error(path)


@pytest.mark.parametrize("suffix", ["xls", "xlsb", "ods", "numbers"])
def test_other_workbooks_are_refused_with_the_way_out(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"b.{suffix}").write_bytes(b"PK\x03\x04...")
    message = rf"kind \.{suffix} is not read; save it as \.xlsx, or the sheet as CSV UTF-8$"
    with pytest.raises(DataError, match=message):
        recognise_logs(f"b.{suffix}", tmp_path)


def test_other_workbooks_in_a_folder_are_named_and_excels_lock_files_are_not_read(
    tmp_path: Path,
) -> None:
    save_workbook(tmp_path / "b.xlsx", [HEADER, ("q", "a")])
    (tmp_path / "~$b.xlsx").write_bytes(b"user")
    (tmp_path / "old.xls").write_bytes(b"")
    form = recognise_logs(str(tmp_path))
    assert (form.rows, form.unread) == (1, ("old.xls",))


def test_answers_are_written_back_as_one_more_column(tmp_path: Path) -> None:
    """A text that begins with "=" stays a text, and is no formula in the reader's Excel."""
    path = save_workbook(tmp_path / "b.xlsx", [("question",), ("q",), (None,), (None, "x"), ("r",)])
    out = tmp_path / "out.xlsx"
    source = TableLogs(path="b.xlsx", fields=FieldMap(question="question"))
    answers = {"b-0001": "=1+1", "b-0003": "two\nlines\x01"}
    assert write_back(source, tmp_path, answers, "answer", out) == ("b.xlsx:4",)
    entries = list(read_table(out))
    assert [(entry.line, entry.value) for entry in entries if entry.value] == [
        (2, {"question": "q", "answer": "=1+1"}),
        (5, {"question": "r", "answer": "two\nlines\x01"}),
    ]
    assert path.exists()


def test_an_answer_that_no_cell_holds_is_refused(tmp_path: Path) -> None:
    """Excel's limit is 32,767 characters; the library would cut the rest off."""
    save_workbook(tmp_path / "b.xlsx", [("question",), ("q",)])
    source = TableLogs(path="b.xlsx", fields=FieldMap(question="question"))
    with pytest.raises(DataError, match=r"record 1: the answer has 32768 characters, and a cell"):
        write_back(source, tmp_path, {"b-0001": "a" * 32_768}, "answer", tmp_path / "out.xlsx")
