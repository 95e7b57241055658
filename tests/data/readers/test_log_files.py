"""Where logs lie: folders, saved datasets, datasets of the hub, files without a known suffix."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigError, DataError
from config.load import validated
from config.log_formats import AutoLogs, CampusLogs, DataSettings, TableLogs
from data.prepare import prepare_splits
from data.readers.campus import CONTEXTS, QUESTION, TAGS
from data.readers.log_files import watched_files
from data.readers.recognise import scan_source
from data.readers.turn_template import PromptText
from data.readers.write_back import answers_suffix, write_back
from data.rows import Row
from tests.data.readers.export_table import EXPORTS
from tests.data.readers.recognised import recognise_logs

RECORDS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}
    for q, a in (("When?", "At nine."), ("Где?", "В зале 2."))
]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS)


def _rows(path: str, root: Path = Path(), split: str | None = None) -> list[Row]:
    rows: list[Row] = []
    scan_source(AutoLogs(path=path, split=split), root, rows.append)
    return rows


def _questions(path: Path, split: str | None = None) -> list[str]:
    return [row.question for row in _rows(str(path), split=split)]


def test_a_path_is_enough_in_the_settings() -> None:
    def train(value: Any) -> Any:
        return validated(DataSettings, {"train": value}, "c").train

    assert train("l.jsonl") == AutoLogs(path="l.jsonl") == train({"path": "l.jsonl"})
    assert isinstance(train({"kind": "campus", "path": "l.json"}), CampusLogs)
    assert isinstance(train({"path": "l.csv", "fields": {"question": "q"}}), TableLogs)
    with pytest.raises(ConfigError, match="auto"):
        train({"kind": "jsonl", "path": "l.jsonl"})


@pytest.mark.parametrize("suffix", ["json", "log", "txt", "jsonl.gz", ""])
def test_lines_are_read_whatever_the_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"logs.{suffix}"
    path.write_bytes(gzip.compress(LINES.encode()) if "gz" in suffix else LINES.encode())
    assert _questions(path) == ["When?", "Где?"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("key", [None, "data", "records"])
def test_lists_and_exports_of_one_object_are_read(
    tmp_path: Path, indent: int | None, key: str | None
) -> None:
    value = RECORDS if key is None else {"object": "list", key: RECORDS}
    (tmp_path / "l.json").write_text(json.dumps(value, indent=indent))
    assert _questions(tmp_path / "l.json") == ["When?", "Где?"]


def test_one_record_pretty_printed_is_a_log_of_one(tmp_path: Path) -> None:
    (tmp_path / "l.json").write_text(json.dumps(RECORDS[0], indent=1))
    assert _questions(tmp_path / "l.json") == ["When?"]


def test_a_folder_of_files_of_several_forms(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("sharegpt.json", "table.csv"):
        (tmp_path / "b" / name).write_bytes((EXPORTS / name).read_bytes())
    (tmp_path / "a.jsonl").write_text(LINES)
    (tmp_path / "README.md").write_text("no log")
    (tmp_path / ".hidden.jsonl").write_text("{}")

    form = recognise_logs(str(tmp_path))
    assert form.rows == 2 + 16 + 12
    assert form.name == ("OpenAI chat messages and ShareGPT conversations and table in 3 files")
    rows = _rows(tmp_path.name, tmp_path.parent)
    assert rows[0].id == "a-0001" and rows[-1].id == "b-table-0012"
    assert rows[-1].origin == f"{tmp_path.name}/b/table.csv:14"  # an answer has two lines
    assert len(watched_files(AutoLogs(path=str(tmp_path)), Path())) == 5


def test_a_dataset_repository_of_parquet_files(tmp_path: Path) -> None:
    """The layout of the hub: the split is in the file's name, and only train is read."""
    import datasets

    (tmp_path / "data").mkdir()
    for split, records in (("train", RECORDS), ("test", RECORDS[:1])):
        file = tmp_path / "data" / f"{split}-00000-of-00001.parquet"
        datasets.Dataset.from_list(records).to_parquet(str(file))
    form = recognise_logs(str(tmp_path))
    assert (form.rows, form.unread) == (2, ("data/test-00000-of-00001.parquet",))
    assert form.line().endswith("; not read: data/test-00000-of-00001.parquet")
    assert _questions(tmp_path, split="test") == ["When?"]


def test_a_saved_dataset_and_its_splits(tmp_path: Path) -> None:
    import datasets

    dataset = datasets.Dataset.from_list(RECORDS)
    dataset.save_to_disk(str(tmp_path / "one"))
    parts = datasets.DatasetDict({"train": dataset, "test": dataset.select([1])})
    parts.save_to_disk(str(tmp_path / "two"))

    assert _questions(tmp_path / "one") == _questions(tmp_path / "two") == ["When?", "Где?"]
    assert _questions(tmp_path / "two", split="test") == ["Где?"]
    assert recognise_logs(str(tmp_path / "two")).unread == ("test",)
    both = {"train": "two", "val": {"path": "two", "split": "test"}}
    splits = prepare_splits(DataSettings.model_validate(both), tmp_path, seed=0)
    assert [row.id for row in (*splits.train, *splits.val)] == ["two-train-0001", "two-test-0001"]
    with pytest.raises(DataError, match=r"no split 'val'; set `split` to one of test, train"):
        _questions(tmp_path / "two", split="val")


def test_a_dataset_of_the_hub_that_cannot_be_reached_is_one_line() -> None:
    with pytest.raises(DataError) as caught:
        recognise_logs("some-org/no-such-dataset")
    message = str(caught.value)
    assert message.startswith("some-org/no-such-dataset: no file or folder here, and no dataset")
    assert message.endswith("--local-dir FOLDER, and give FOLDER")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.jsonl", "no such file; paths are relative to the folder you are in"),
        ("my/gone.jsonl", "no such file"),
        ("empty", r"the folder has no logs; put files in it that end with \.csv, \.tsv"),
        ("book.xlsx", "a damaged Excel workbook .* save it as .xlsx, or the sheet as CSV UTF-8"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04...")
    with pytest.raises(DataError, match=message):
        recognise_logs(name, tmp_path)


CYRILLIC = "Вопрос;Ответ\r\nКогда открыта касса?;До шести — без обеда.\r\nГде «зал»?;№ 2\r\n"
PLAIN = "".join(char for char in CYRILLIC if char not in "—«»№")  # what older code pages have


def test_russian_csv_as_excel_saves_it(tmp_path: Path) -> None:
    """cp1251 is a guess, so the line says it; answers go into a file of their own."""
    (tmp_path / "l.csv").write_bytes(CYRILLIC.encode("cp1251"))
    assert recognise_logs("l.csv", tmp_path).line() == "l.csv: table in cp1251, 2 rows"
    rows = _rows("l.csv", tmp_path)
    assert [row.question for row in rows] == ["Когда открыта касса?", "Где «зал»?"]
    assert rows[0].origin == "l.csv:2"
    assert answers_suffix(AutoLogs(path="l.csv"), tmp_path) == ".jsonl"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode("koi8-r"),
        PLAIN.encode("cp866"),
        "question;answer\nOù est le café?;À côté, près de l'entrée.\n".encode("cp1252"),
        "question;answer\nWo ist die Tür?;Über dem Hof, größer.\n".encode("cp1252"),
    ],
    ids=["koi8-r", "cp866", "French", "German"],
)
def test_other_code_pages_are_not_guessed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "l.csv").write_bytes(data)
    with pytest.raises(DataError, match="not UTF-8"):
        recognise_logs("l.csv", tmp_path)


def test_answers_to_conversations_are_written_as_rows(tmp_path: Path) -> None:
    settings, out = AutoLogs(path="openai_chat.jsonl"), tmp_path / "out.jsonl"
    assert answers_suffix(settings, EXPORTS) == ".jsonl"
    left = write_back(settings, EXPORTS, {"openai_chat-0001/2": "Closed."}, "answer", out)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 18 and len(left) == 17
    assert [line["answer"] for line in lines][:3] == ["", "Closed.", ""]
    with pytest.raises(DataError, match="1 answers belong to none of its rows"):
        write_back(settings, EXPORTS, {"x": "y"}, "answer", out)


def test_answers_to_a_recognised_table_are_written_into_it(tmp_path: Path) -> None:
    settings, out = AutoLogs(path="excel_utf8.csv"), tmp_path / "out.csv"
    assert answers_suffix(settings, EXPORTS) == ".csv"
    answers = {f"excel_utf8-{number:04d}": "x" for number in range(1, 13)}
    assert write_back(settings, EXPORTS, answers, "new", out) == ()
    assert out.read_text(encoding="utf-8-sig").splitlines()[0] == 'Вопрос;Ответ;Источники;"new"'


@pytest.mark.parametrize("name", ["export.json", "lines.log", "campus.jsonl"])
def test_answers_to_a_table_that_no_field_map_reads_are_written_as_rows(
    tmp_path: Path, name: str
) -> None:
    """Else a run would end in an error at its last step, when everything has been computed."""
    record = {"question": "When?", "answer": "At nine."}
    if name == "campus.jsonl":
        record = {QUESTION: "When?", CONTEXTS: "", TAGS["role"]: "student"}
    export = {"data": [record]} if name == "export.json" else record
    (tmp_path / name).write_text(json.dumps(export) + "\n", encoding="utf-8")
    settings, out = AutoLogs(path=name), tmp_path / "out.jsonl"
    assert answers_suffix(settings, tmp_path) == ".jsonl"
    row = f"{name.partition('.')[0]}-0001"
    assert write_back(settings, tmp_path, {row: "Nine."}, "student", out) == ()
    line = json.loads(out.read_text(encoding="utf-8"))
    assert (line["question"], line["student"]) == ("When?", "Nine.")


def test_answers_are_written_to_the_rows_that_the_prompt_leaves(tmp_path: Path) -> None:
    """The prompt's worked example is no exchange: the answered row is the first, without /2."""
    texts = ("e?", "e.", "When?", "At nine.")
    roles = ("user", "assistant") * 2
    turns = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    (tmp_path / "l.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    settings, out = AutoLogs(path="l.jsonl"), tmp_path / "out.jsonl"
    prompt = PromptText("s", "{question}", examples=(("e?", "e."),))
    write_back(settings, tmp_path, {"l-0001": "Nine."}, "student", out, prompt)
    line = json.loads(out.read_text(encoding="utf-8"))
    assert (line["question"], line["student"]) == ("When?", "Nine.")
