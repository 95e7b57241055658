"""Reading logs: rows, quarantined records, and files that stop the run."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from config.log_formats import FieldMap, TableLogs
from data.jsonl import read_records, write_records
from data.readers.logs import read_logs
from data.rows import Context, Row
from tests.data.malformed_lines import GOOD, KINDS

FIELDS = FieldMap(question="q", id="id", contexts="c", answers={"old": "a"})
QUESTION = FieldMap(question="q")


def _table(path: Path, fields: FieldMap = FIELDS) -> TableLogs:
    return TableLogs(path=path.name, fields=fields)


def _write(path: Path, values: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


@pytest.mark.reliability(line=6)
def test_24_kinds_of_malformed_lines_are_quarantined_and_nothing_else(tmp_path: Path) -> None:
    lines, planted = [], {}
    kinds = list(KINDS.items())
    for number in range(1, 1001):
        # Every fourth line from 4 to 960 is broken: 240 lines, 10 of each kind.
        if number % 4 == 0 and number <= 960:
            kind, line = kinds[number // 4 % 24]
            planted[number] = kind
            lines.append(line)
        else:
            lines.append(json.dumps({**GOOD, "id": number}).encode())
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\r\n".join(lines) + b"\r\n")  # CRLF is fine

    logs = read_logs(_table(path), tmp_path)

    assert {bad.line: planted.get(bad.line) for bad in logs.quarantined} == planted
    assert len(logs.quarantined) == 240
    assert len(logs.rows) == 760
    assert all(bad.reason and len(bad.excerpt) <= 200 for bad in logs.quarantined)
    assert logs.rows[3] == Row(  # the fifth line: an integer id is taken as its text
        id="5",
        question="Когда открыта касса?",
        contexts=(Context(text="Касса открыта до шести."),),
        answers={"old": "До шести."},
        origin="rows.jsonl:5",
    )
    write_records(tmp_path / "bad.jsonl", logs.quarantined)
    assert list(read_records(tmp_path / "bad.jsonl", type(logs.quarantined[0]))) == list(
        logs.quarantined
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_quarantined_for_a_reason_of_its_own(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + KINDS[kind] + b"\n")

    logs = read_logs(_table(path), tmp_path)

    assert [bad.line for bad in logs.quarantined] == [2]
    assert "касса" not in logs.quarantined[0].reason.casefold()  # reasons reach the log


def test_what_looks_odd_but_is_a_row_stays(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    odd = [{"q": "🦆?"}, {"q": 112}, {"q": "a\u2028b"}, {"q": "x", "unused": float("nan")}]
    text = "\n\n".join(json.dumps(value, ensure_ascii=False) for value in odd)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())

    logs = read_logs(_table(path, QUESTION), tmp_path)

    assert [row.question for row in logs.rows] == ["🦆?", "112", "a\u2028b", "x"]
    assert [row.id for row in logs.rows] == [f"rows-000{at}" for at in (1, 2, 3, 4)]
    assert [row.origin for row in logs.rows] == [f"rows.jsonl:{at}" for at in (1, 3, 5, 7)]
    assert not logs.quarantined


def test_csv(tmp_path: Path) -> None:
    text = (
        '\ufeffid,q,c,a\r\n1,"Где\nкасса?","[""П1"", ""П2""]","Тут, ""там"""\r\n\r\n'
        '2,мало,полей\r\n3,"кавычка"внутри,,\r\n4,Когда?,Источников нет,\r\n'
    )
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode() + "5,касса,,\r\n".encode("cp1251") + b"6,ok,,last")

    logs = read_logs(_table(path), tmp_path)

    assert [row.id for row in logs.rows] == ["1", "4", "6"]
    first = logs.rows[0]
    assert first.question == "Где\nкасса?" and first.answers == {"old": 'Тут, "там"'}
    assert [context.text for context in first.contexts] == ["П1", "П2"]
    assert [bad.line for bad in logs.quarantined] == [5, 6, 8]


def test_csv_quote_that_is_never_closed_is_not_one_bad_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('q\none\n"two\nthree\nfour\n')
    with pytest.raises(DataError, match=r"t\.csv:3: .*never closed"):
        read_logs(_table(tmp_path / "t.csv", QUESTION), tmp_path)


@pytest.mark.reliability(line=12)
def test_50_duplicate_ids_in_1000_are_listed(tmp_path: Path) -> None:
    values = [{"id": number % 950, "q": f"Вопрос {number}"} for number in range(1000)]
    path = _write(tmp_path / "d.jsonl", values)
    with pytest.raises(DataError) as error:
        read_logs(_table(path, FieldMap(question="q", id="id")), tmp_path)
    assert "50 ids" in str(error.value) and ": 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …;" in str(error.value)

    numbered = read_logs(_table(path, QUESTION), tmp_path)
    assert len({row.id for row in numbered.rows}) == 1000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, "no such file"),
        ("rows.xlsx", b"x", "no Excel workbook, or damaged; save it as .xlsx, or the sheet as CSV"),
        (
            "rows.xls",
            b"x",
            "a workbook of the kind .xls is not read; save it as .xlsx, or the sheet",
        ),
        ("rows.zst", b"x", "unknown suffix '.zst'; use .csv, .json, .jsonl"),
        ("rows.csv", b"PK\x03\x04...", "is a workbook or a zip archive; give a workbook the"),
        ("rows.jsonl", b"PAR1...", "is Parquet; give it the suffix .parquet"),
        ("rows.csv", "q,x\n".encode("utf-16-le"), "is UTF-16 without a byte order mark; save"),
        ("rows.csv", "вопрос;q\n".encode("koi8-r"), "is not UTF-8; save the file as UTF-8"),
        ("rows.parquet", b"not parquet", "not a Parquet file"),
        ("rows.jsonl", b"no\njson\n", "no valid row; line 1: not JSON"),
        ("rows.jsonl", b"", "no valid row"),
        ("rows.csv", b"q,q\n1,2\n", "repeats a column"),
        ("rows.csv", b"qq,x\n1,2\n", "fields.question = 'q'"),
    ],
)
def test_a_file_that_cannot_be_used_stops(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read_logs(TableLogs(path=name, fields=QUESTION), tmp_path)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_misspelt_column_is_not_an_empty_one(tmp_path: Path) -> None:
    path = _write(tmp_path / "m.jsonl", [{"q": "Где?", "answer": "Тут."}])
    fields = FieldMap(question="q", answers={"old": "anwser"})
    with pytest.raises(DataError, match=r"fields\.answers\.old = 'anwser'.*mean 'answer'"):
        read_logs(_table(path, fields), tmp_path)
