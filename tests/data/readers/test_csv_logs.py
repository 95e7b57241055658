"""CSV as programs save it: delimiters, `sep=`, encodings and gzip, read and written back."""

import csv
import gzip
import io
from pathlib import Path

import pytest

from config.errors import DataError
from config.log_formats import FieldMap, TableLogs
from data.readers.logs import LogFile, read_logs
from data.readers.write_back import write_back
from data.rows import Context

FIELDS = FieldMap(question="question", contexts="context", id="id")
ROWS = [
    ("id", "question", "context"),
    ("1", "Где касса; и когда, а?", "На портале."),
    ("2", 'Кто "декан"?', "Две\nстроки | и\tтабуляция"),
    ("3", "Сколько, 3,5?", "'тут'"),
]


def _text(delimiter: str, end: str = "\r\n") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(ROWS)
    return file.getvalue()


def _read(path: Path, data: bytes, fields: FieldMap = FIELDS) -> LogFile:
    path.write_bytes(data)
    return read_logs(TableLogs(path=path.name, fields=fields), path.parent)


FILES = {
    "semicolon.csv": b"\xef\xbb\xbf" + _text(";").encode(),
    "tab.csv": _text("\t").encode(),
    "bar.csv": _text("|", "\n").encode(),
    "comma.csv": _text(",").encode(),
    "tab.tsv": _text("\t", "\n").encode(),
    "sep.csv": ("sep=;\r\n" + _text(";")).encode(),
    "separator of its own.csv": ('"SEP=^"\n' + _text("^", "\n")).encode(),
    "utf-16-le.csv": ("\ufeff" + _text("\t")).encode("utf-16-le"),
    "utf-16-be.csv": ("\ufeff" + _text(";")).encode("utf-16-be"),
    "utf-32.csv": ("\ufeff" + _text(",")).encode("utf-32-le"),
    "utf-16 with sep.csv": ("\ufeffsep=,\r\n" + _text(",")).encode("utf-16-le"),
    "packed.csv.gz": gzip.compress(_text(",").encode()),
    "packed.TSV.GZ": gzip.compress(("\ufeff" + _text("\t")).encode("utf-16-le")),
    "packed without a word.csv": gzip.compress(_text(";").encode()),
    "unpacked by the browser.csv.gz": _text(";").encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_holds_the_same_rows(tmp_path: Path, name: str) -> None:
    logs = _read(tmp_path / name, FILES[name])

    assert not logs.quarantined
    assert [(row.id, row.question) for row in logs.rows] == [row[:2] for row in ROWS[1:]]
    assert [row.contexts for row in logs.rows] == [(Context(text=row[2]),) for row in ROWS[1:]]
    first = 3 if "sep" in name else 2  # the record of two lines shifts the third row
    assert [row.origin.rsplit(":")[-1] for row in logs.rows] == [
        str(first),
        str(first + 1),
        str(first + 3),
    ]


@pytest.mark.parametrize("name", FILES)
def test_answers_are_written_back_in_the_form_of_the_file(tmp_path: Path, name: str) -> None:
    """The new file reads as the old one with one more column: same delimiter, mark and gzip."""
    _read(tmp_path / name, FILES[name])
    settings = TableLogs(path=name, fields=FIELDS)
    answers = {"1": 'Да; "тут",\nи\tтам | 1', "2": "", "3": "нет"}

    write_back(settings, tmp_path, answers, "ответ", tmp_path / f"new {name}")

    written = (tmp_path / f"new {name}").read_bytes()
    assert written[:2] == FILES[name][:2]
    fields = FIELDS.model_copy(update={"answers": {"a": "ответ"}})
    logs = _read(tmp_path / name, written, fields)
    assert not logs.quarantined
    assert {row.id: row.answers["a"] for row in logs.rows} == answers
    assert [row.question for row in logs.rows] == [row[1] for row in ROWS[1:]]


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "cp866"])
def test_a_code_page_is_refused_with_the_way_out(tmp_path: Path, encoding: str) -> None:
    """A code page has no mark, and a guess can be wrong."""
    with pytest.raises(DataError, match=r"line 2: question: not UTF-8 \(byte 0x..\); save the fil"):
        _read(tmp_path / "c.csv", _text(";").encode(encoding))


def test_a_row_of_a_code_page_among_utf8_spoils_only_itself(tmp_path: Path) -> None:
    data = "id,question,context\n1,café,\n".encode() + "2,café,\n".encode("cp1252")
    logs = _read(tmp_path / "c.csv", data)
    assert [row.question for row in logs.rows] == ["café"]
    assert logs.quarantined[0].reason.startswith("question: not UTF-8 (byte 0xe9)")


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("id,question;context", ["1,Где; там", "2,Кто; он", "3,Что; то"]),  # of commas
        ("id;question, in full;context", ["1;Где?;тут, там"]),
        ('id,"question; in full",context', ["1,Где?,тут"]),
        ("id\tquestion|full\tcontext;x", ["1\ta|b\tc;d;e"]),
    ],
)
def test_rows_decide_between_two_delimiters_of_a_header(
    tmp_path: Path, header: str, rows: list[str]
) -> None:
    logs = _read(tmp_path / "d.csv", "\n".join([header, *rows]).encode(), FieldMap(question="id"))
    assert [row.question for row in logs.rows] == [row[0] for row in rows]
    assert not logs.quarantined


def test_one_column_keeps_its_punctuation(tmp_path: Path) -> None:
    text = "question\nГде; когда?\nКто | что\nA\tB\n"
    logs = _read(tmp_path / "o.csv", text.encode(), FieldMap(question="question"))
    assert [row.question for row in logs.rows] == ["Где; когда?", "Кто | что", "A\tB"]


def test_delimiters_behind_the_last_column_are_no_fields(tmp_path: Path) -> None:
    """Of the header, of a row, of both; a field behind the last column is malformed."""
    lines = [" id ; question;context;;", "1;Где?;;;", "2;Кто?;там;;;;", "3;Что?;там;;лишнее;x"]
    logs = _read(tmp_path / "t.csv", "\r\n".join(lines).encode())
    assert [(row.id, row.question) for row in logs.rows] == [("1", "Где?"), ("2", "Кто?")]
    assert [bad.reason for bad in logs.quarantined] == ["6 fields under a header of 5"]

    settings = TableLogs(path="t.csv", fields=FIELDS)
    write_back(settings, tmp_path, {"1": "а", "2": "б"}, "ответ", tmp_path / "o.csv")
    with (tmp_path / "o.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.reader(file, delimiter=";"))
    assert [row[5] for row in written] == ["ответ", "а", "б", "x"]


def test_gzip_that_breaks_off_names_the_line(tmp_path: Path) -> None:
    """50,000 rows that do not compress well, cut in the middle; and one damaged byte."""
    lines = [f"{number},вопрос {number * 7919 % 50_000}\n" for number in range(50_000)]
    data = gzip.compress(("id,question\n" + "".join(lines)).encode())
    fields = FieldMap(question="question")
    with pytest.raises(DataError, match=r"g\.csv\.gz:(\d+): the gzip data break off") as error:
        _read(tmp_path / "g.csv.gz", data[: len(data) // 2], fields)
    assert 10_000 < int(str(error.value).split("gz:")[1].split(":")[0]) < 45_000
    with pytest.raises(DataError, match=r"g\.csv\.gz:\d+: the gzip data"):
        _read(tmp_path / "g.csv.gz", data[:-6] + b"\0" + data[-5:], fields)  # the checksum
    with pytest.raises(DataError, match=r"g\.csv\.gz:1: the gzip data"):
        _read(tmp_path / "g.csv.gz", data[:12], fields)


def test_utf16_that_breaks_off_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"u\.csv:\d: not utf-16-le: truncated data; save"):
        _read(tmp_path / "u.csv", FILES["utf-16-le.csv"][:-1])


@pytest.mark.parametrize("value", ["x" * 5_000_000, "a\0b", "1e999", "1e308", "nul\0" * 3])
def test_hostile_cells_spoil_at_most_their_row(tmp_path: Path, value: str) -> None:
    data = f"id,question,context\n1,{value},\n2,Где?,\n".encode()
    logs = _read(tmp_path / "h.csv", data)
    is_number = value.startswith("1e")
    assert [row.id for row in logs.rows] == (["1", "2"] if is_number else ["2"])
    assert [bad.line for bad in logs.quarantined] == ([] if is_number else [2])


@pytest.mark.parametrize("above", ["\r\n\r\n", "sep=;\r\n\r\n", "\ufeff\r\n"])
def test_blank_lines_above_the_header_are_no_header(tmp_path: Path, above: str) -> None:
    logs = _read(tmp_path / "b.csv", (above + _text(";")).encode())
    assert [row.question for row in logs.rows] == [row[1] for row in ROWS[1:]]
    settings = TableLogs(path="b.csv", fields=FIELDS)
    write_back(settings, tmp_path, {"1": "а", "2": "б", "3": "в"}, "ответ", tmp_path / "o.csv")
    fields = FIELDS.model_copy(update={"answers": {"a": "ответ"}})
    logs = _read(tmp_path / "b.csv", (tmp_path / "o.csv").read_bytes(), fields)
    assert [row.answers["a"] for row in logs.rows] == ["а", "б", "в"]


def test_lines_that_end_in_a_carriage_return_alone(tmp_path: Path) -> None:
    logs = _read(tmp_path / "r.csv", b"id;question;context\r1;Where?;\r2;Who?;\r")
    assert [row.question for row in logs.rows] == ["Where?", "Who?"] and not logs.quarantined
