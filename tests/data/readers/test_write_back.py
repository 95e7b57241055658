"""The hidden set is written back unchanged, with one more column."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.errors import DataError
from config.log_formats import CampusLogs, FieldMap, TableLogs
from data.readers.logs import read_logs
from data.readers.write_back import write_back
from tests.data.hse_logs import HIDDEN, HSE, needs_hse

FIELDS = FieldMap(question="q", id="id")
ANSWER = 'Да, "тут"\nи там.'


@needs_hse
def test_real_format(tmp_path: Path) -> None:
    ids = [row.id for row in read_logs(HIDDEN, HSE).rows]
    answers = {identity: f"{ANSWER} {identity}" for identity in ids[:-1]}

    empty = write_back(HIDDEN, HSE, answers, "Ответ", tmp_path / "out.json")

    assert empty == (ids[-1],)
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    written, source = json.loads(text), json.loads((HSE / HIDDEN.path).read_text(encoding="utf-8"))
    assert [row["Ответ"] for row in written] == [answers.get(identity, "") for identity in ids]
    assert [list(row)[:-1] for row in written] == [list(row) for row in source]
    assert text == json.dumps(written, ensure_ascii=False, indent=1)  # the layout of the source
    for row in written:
        del row["Ответ"]
    assert written == source


@pytest.mark.parametrize(
    "layout", ['[{"q":"1"},{"q":"2"}]', '\ufeff[\r\n\t{"q": "1"},\r\n\t{}]\r\n']
)
def test_campus_layouts_stay(tmp_path: Path, layout: str) -> None:
    text = layout.replace('"q"', '"Вопрос пользователя"')
    (tmp_path / "h.json").write_bytes(text.encode())

    write_back(CampusLogs(path="h.json"), tmp_path, {"h-0001": "да"}, "a", tmp_path / "o.json")

    written = (tmp_path / "o.json").read_bytes().decode()
    assert (
        written.replace(', "a": "да"', "").replace(', "a": ""', "").replace('"a": ""', "") == text
    )
    assert [row["a"] for row in json.loads(written.removeprefix("\ufeff"))] == ["да", ""]


def test_jsonl_keeps_every_other_byte(tmp_path: Path) -> None:
    torn = '{"id": 3, "q": "касса"}'.encode("cp1251")
    source = [b'{"q":"1","id":1.0,"n":1e2}', b"", b'  {"id": 2, "q": null} ', torn, b"[1]"]
    (tmp_path / "h.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(source))
    settings = TableLogs(path="h.jsonl", fields=FIELDS)

    empty = write_back(settings, tmp_path, {"1": ANSWER}, "Ответ", tmp_path / "o.jsonl")

    assert empty == ("h.jsonl:3", "h.jsonl:4", "h.jsonl:5")
    field = f'"Ответ": {json.dumps(ANSWER, ensure_ascii=False)}'
    assert (tmp_path / "o.jsonl").read_bytes() == b"\xef\xbb\xbf" + b"\r\n".join(
        [
            f'{{"q":"1","id":1.0,"n":1e2, {field}}}'.encode(),
            b"",
            '  {"id": 2, "q": null, "Ответ": ""} '.encode(),
            torn,
            b"[1]",
        ]
    )


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_keeps_its_quotes_and_line_ends(tmp_path: Path, end: str) -> None:
    lines = ["q,id", "", '"q,id",1', '"a', 'b",2', "мало", "q,3"]
    (tmp_path / "h.csv").write_bytes(end.join(lines).encode())
    settings = TableLogs(path="h.csv", fields=FIELDS)
    answers = {"1": ANSWER, "2": "два", "3": ""}

    empty = write_back(settings, tmp_path, answers, "о", tmp_path / "o.csv")

    assert empty == ("h.csv:6",)
    with (tmp_path / "o.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    assert rows == [
        ["q", "id", "о"],
        ["q,id", "1", ANSWER],
        [f"a{end}b", "2", "два"],
        ["мало", ""],
        ["q", "3", ""],
    ]
    assert (tmp_path / "o.csv").read_bytes().startswith(f'q,id,"о"{end}{end}"q,id",1,'.encode())


def test_csv_of_one_column_whose_first_row_repeats_the_header(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("q\nq\n")
    settings = TableLogs(path="h.csv", fields=FieldMap(question="q"))
    write_back(settings, tmp_path, {"h-0001": "x"}, "a", tmp_path / "o.csv")
    assert (tmp_path / "o.csv").read_text() == 'q,"a"\nq,"x"\n'


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, None], "q": ["a", "b", "c"], "x": pa.array([1.5, None, 2.5])})
    pq.write_table(table.replace_schema_metadata({"made": "by"}), tmp_path / "h.parquet")
    settings = TableLogs(path="h.parquet", fields=FIELDS)

    empty = write_back(settings, tmp_path, {"1": "да"}, "a", tmp_path / "o.parquet")

    written = pq.read_table(tmp_path / "o.parquet")
    assert empty == ("2", "h.parquet:3")
    assert written.column("a").to_pylist() == ["да", "", ""]
    assert written.drop_columns(["a"]).equals(table)
    assert written.schema.metadata == {b"made": b"by"}


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "h.jsonl").write_text('{"q": "1", "id": 1}\n')
    settings = TableLogs(path="h.jsonl", fields=FIELDS)
    out = tmp_path / "o.jsonl"
    with pytest.raises(DataError, match="column 'q' exists already"):
        write_back(settings, tmp_path, {}, "q", out)
    with pytest.raises(DataError, match="1 answers belong to none of its rows, the first to 'one'"):
        write_back(settings, tmp_path, {"one": ""}, "a", out)
    assert not out.exists()
