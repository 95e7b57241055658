"""JSON as programs save it: lines or one list, in any encoding with a mark, packed or not."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from config.errors import DataError
from config.log_formats import FieldMap, TableLogs
from data.readers.json_logs import read_json_list
from data.readers.logs import LogFile, read_logs
from data.readers.write_back import write_back

FIELDS = FieldMap(question="q")
RECORDS: list[dict[str, Any]] = [{"q": "Где?", "n": 1}, {"q": "Кто\nи что?"}, {"q": "[1] что?"}]
LINES = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
LIST = json.dumps(RECORDS, ensure_ascii=False)
PRETTY = json.dumps(RECORDS, ensure_ascii=False, indent=2)
BY_LINE = "[" + ",\n".join(json.dumps(record) for record in RECORDS) + "]\n"

FILES = {
    "a.jsonl": LINES.encode(),
    "a.ndjson": b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode(),
    "lines in.json": LINES.encode(),
    "list.json": LIST.encode(),
    "pretty.json": PRETTY.encode(),
    "list in.jsonl": LIST.encode(),
    "pretty list in.jsonl": PRETTY.encode(),
    "an object a line in.jsonl": BY_LINE.encode(),
    "power shell.jsonl": ("\ufeff" + LINES).encode("utf-16-le"),
    "power shell.json": ("\ufeff" + PRETTY).encode("utf-16-le"),
    "packed.jsonl.gz": gzip.compress(LINES.encode()),
    "packed.json.gz": gzip.compress(PRETTY.encode()),
}


def _read(path: Path, data: bytes) -> LogFile:
    path.write_bytes(data)
    return read_logs(TableLogs(path=path.name, fields=FIELDS), path.parent)


@pytest.mark.parametrize("name", FILES)
def test_every_form_holds_the_same_rows_and_takes_answers(tmp_path: Path, name: str) -> None:
    logs = _read(tmp_path / name, FILES[name])
    assert not logs.quarantined
    assert [row.question for row in logs.rows] == [record["q"] for record in RECORDS]

    answers = {row.id: f"«{row.id}»" for row in logs.rows}
    settings = TableLogs(path=name, fields=FIELDS)
    write_back(settings, tmp_path, answers, "ответ", tmp_path / "out")
    settings = TableLogs(path=name, fields=FieldMap(question="q", answers={"a": "ответ"}))
    (tmp_path / name).write_bytes((tmp_path / "out").read_bytes())
    rows = read_logs(settings, tmp_path).rows
    assert [row.answers["a"] for row in rows] == list(answers.values())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("o.json", '{"data": [{"q": "1"}]}', "one JSON object with the keys data; its records are"),
        ("o.json", '{\n "version": 2,\n "items": [\n  {"q": "1"}\n ]\n}', "are the list 'items'"),
        ("o.jsonl", '{\n "q": "1",\n "a": "2"\n}', "one JSON object with the keys q, a; save a"),
        ("o.json", '{"q": {"0": "1"}, "a": {"0": "2"}}', "keys q, a; save a list of records, or"),
        ("o.json", '{"columns": ["q"], "data": [["1"]]}', "(pandas: orient='records')"),
        ("o.json", '{"q": "1"', "no valid row; line 1: not JSON at character 10"),
        ("o.json", '[{"q": "1"}, {"q": "2"', "not a list of objects as JSON: Expecting"),
        ("o.json", "[]", "not a list of objects as JSON: the list is empty"),
    ],
)
def test_what_is_neither_lines_nor_a_list_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(DataError) as error:
        _read(tmp_path / name, text.encode())
    assert message in str(error.value) and "\n" not in str(error.value)


def test_lists_among_lines_are_malformed_rows(tmp_path: Path) -> None:
    """A first line that is torn or a list does not make the file one list."""
    for first in (b'[{"q": "1"}]', b'[{"q": "1"', b'{"q": '):
        logs = _read(tmp_path / "l.jsonl", first + b'\n{"q": "2"}\n[3]\n')
        assert [row.question for row in logs.rows] == ["2"]
        assert [bad.line for bad in logs.quarantined] == [1, 3]


def test_a_list_in_a_code_page_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"c\.json:3: not UTF-8; save the file as UTF-8"):
        _read(tmp_path / "c.json", PRETTY.encode("cp1251"))


def test_elements_that_are_no_objects_are_malformed_rows(tmp_path: Path) -> None:
    text = '[{"q": "1"},\n 2, [3],\n {"q": 1e308}, {"q": 1e999}, {"q": "4", "q": "5"}]'
    logs = _read(tmp_path / "e.json", text.encode())
    assert [row.question for row in logs.rows] == ["1", "1e+308"]
    assert [bad.line for bad in logs.quarantined] == [2, 2, 3, 3]


def test_packed_lines_that_break_off_name_the_line(tmp_path: Path) -> None:
    lines = "".join(f'{{"q": "{number * 7919 % 50_000}"}}\n' for number in range(50_000))
    data = gzip.compress(lines.encode())
    with pytest.raises(DataError, match=r"p\.jsonl\.gz:\d{4,5}: the gzip data break off"):
        _read(tmp_path / "p.jsonl.gz", data[: len(data) // 2])


@pytest.mark.parametrize("part", [1, 2, 3, 7, 50, 10_000])
def test_a_list_is_read_in_parts_that_cut_it_anywhere(
    part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The elements, their lines and their text are those of the whole; a number is never cut."""
    monkeypatch.setattr("data.readers.json_logs._PART", part)
    text = (
        '\n [ {"q": "a\\n \\u0416"},\n\n {"q": [1, 2.5e3]} , 12345, {"q": {"x": "]"}},{"q":"ж"}]\n'
    )
    (tmp_path / "l.json").write_text(text)
    entries = list(read_json_list(tmp_path / "l.json"))
    assert [(entry.number, entry.line, entry.value) for entry in entries] == [
        (1, 2, {"q": "a\n Ж"}),
        (2, 4, {"q": [1, 2500.0]}),
        (3, 4, None),
        (4, 4, {"q": {"x": "]"}}),
        (5, 4, {"q": "ж"}),
    ]
    assert [entry.raw for entry in entries][2:] == ["12345", '{"q": {"x": "]"}}', '{"q":"ж"}']
    for broken, reason in (
        (text + "x", f"more text after the list, at character {len(text)}"),
        (text[:-3], "Expecting"),
        (text.replace(" , 12345", " ; 12345"), "expected a comma or the list's end at character"),
    ):
        (tmp_path / "l.json").write_text(broken)
        with pytest.raises(DataError, match=reason):
            list(read_json_list(tmp_path / "l.json"))


def test_one_long_line_that_is_a_list_is_read_as_one(tmp_path: Path) -> None:
    """1.5 million characters, as json.dump writes them."""
    records = [{"q": f"{number}" + "x" * 1000} for number in range(1_500)]
    (tmp_path / "l.json").write_text(json.dumps(records))
    rows = read_logs(TableLogs(path="l.json", fields=FieldMap(question="q")), tmp_path).rows
    assert [row.question for row in rows] == [record["q"] for record in records]
