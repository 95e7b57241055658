"""Lists that came back as text, passages in other keys, and paths into nested fields."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.errors import DataError
from config.log_formats import FieldMap, TableLogs
from data.readers.cells import Malformed
from data.readers.field_path import find_value
from data.readers.logs import LogFile, read_logs
from data.readers.nested_text import PythonCall, nested_value, parse_python
from data.readers.passages import cell_contexts
from data.rows import Context

TRICKY = [
    "it's \"both\" 'quotes'",
    "a,\n'b' 'c'",
    "back\\slash \\n",
    "nan",
    "ё\u00a0[1] {x}",
    "...",
]


def _read(path: Path, records: Sequence[Mapping[str, Any]], fields: FieldMap) -> LogFile:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return read_logs(TableLogs(path=path.name, fields=fields), path.parent)


@pytest.mark.parametrize("first", TRICKY)
@pytest.mark.parametrize("second", TRICKY)
def test_what_python_and_numpy_print_is_the_list_again(first: str, second: str) -> None:
    """str(list), str(array), repr(array), and objects in either; on the way through a CSV cell."""
    texts, objects = [first, second], [{"text": first}, {"text": second, "score": None}]
    assert nested_value(str(texts)) == nested_value(repr(tuple(texts))[1:-1].join("[]")) == texts
    for values in (texts, objects):
        array = np.array(values, dtype=object)
        assert nested_value(str(array)) == nested_value(repr(array)) == values
    assert nested_value(str([texts, [None, True, {"a": (1.5, -2)}]])) == [
        texts,
        [None, True, {"a": [1.5, -2]}],
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("['a' nan\n None 'b']", ["a", None, None, "b"]),
        ("[np.float32(0.5), np.str_('a'), UUID('x')]", [0.5, "a", "x"]),
        ("[Document(metadata={'d': datetime.date(2026, 1, 1)}, page_content='x' 'y')]",
         [{"metadata": {"d": PythonCall("date")}, "page_content": "xy"}]),
        ("[1e999, 1e308]", [float("inf"), 1e308]),
        ("[open('x')]", [PythonCall("open")]),
    ],
)  # fmt: skip
def test_other_values_of_python_text(text: str, value: object) -> None:
    """No call is made: one that holds no named value stays a call."""
    assert parse_python(text) == value


@pytest.mark.parametrize(
    "text",
    ["['a' ... 'z']", "[x for x in y]", "[1] Note", "[" * 5000, "f'{1}'", "['a'", "", "[a.b]",
     "[" + "1," * 600_000 + "]"],
)  # fmt: skip
def test_what_is_no_python_text(text: str) -> None:
    with pytest.raises(ValueError):
        parse_python(text)


@pytest.mark.parametrize(
    "cell",
    [
        [{"page_content": "At nine.", "metadata": {"source": "u"}}],
        [{"content": "At nine.", "meta": {"url": "u"}}],
        [{"id": 3, "text": "At nine.", "url": "u"}],
        {"text": "At nine.", "source": "u"},
        "[{'page_content': 'At nine.', 'metadata': {'source': 'u', 'page': nan}}]",
        "[Document(page_content='At nine.', metadata={'source': 'u'})]",
        '{"content": "At nine.", "url": "u"}',
        ["nan", {"text": "At nine.", "url": "u"}, None, {"text": "<NA>"}, " "],
    ],
)
def test_passages_of_other_programs(cell: object) -> None:
    assert cell_contexts(cell, "c") == (Context(text="At nine.", url="u"),)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ([{"title": "A", "body": "b"}], "none of the keys text, page_content, content among title"),
        ({"title": ["a"], "sentences": [["b"]]}, "among title, sentences"),
        ([["a", "b"]], r"c\[0\]: expected text, found list"),
        ([{"text": ["a"]}], r"c\[0\]: expected text, found list"),
        ("['torn", "a list that does not parse as JSON or Python"),
        ("[{'text': 'a'", "a list that does not parse"),
        ("['a' ... 'z']", "a list that does not parse"),
        ("[Document(page_content=open('x'))]", "expected text, found PythonCall"),
    ],
)
def test_passages_that_nobody_understands_are_malformed(cell: object, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        cell_contexts(cell, "c")


@pytest.mark.parametrize("text", ["[1] A note", "{name}, hello", '{"price": 3}', "(a) or 'b'"])
def test_a_passage_that_only_begins_like_a_list_is_a_text(text: str) -> None:
    assert cell_contexts(text, "c") == (Context(text=text),)


RECORD: dict[str, Any] = {
    "input": {"question": "When?", "a.b": {"c": 1}},
    "input.question": "exact",
    "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}],
    "as_json": '[{"content": "J"}]',
    "as_python": "[{'content': 'P'}]",
    "text": "no list",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("input.question", "exact"),
        ("input.a.b.c", 1),
        ("messages.1.content", "U"),
        ("messages.-2.content", "S"),
        ("messages.-1", RECORD["messages"][1]),
        ("as_json.0.content", "J"),
        ("as_python.0.content", "P"),
    ],
)
def test_paths(path: str, value: object) -> None:
    assert find_value(RECORD, path) == value


@pytest.mark.parametrize(
    "path", ["input.other", "messages.2.content", "messages.-3", "messages.x", "text.0", "nope", ""]
)
def test_paths_to_nothing(path: str) -> None:
    with pytest.raises(KeyError):
        find_value(RECORD, path)


def test_every_field_may_be_a_path(tmp_path: Path) -> None:
    """A conversation that is too short is malformed by itself; Parquet's structs go as JSON's."""
    turns = [{"content": "Q"}, {"content": "A"}]
    records: list[dict[str, Any]] = [
        {"m": turns, "meta": {"id": "1", "kind": "x", "note": "n", "docs": ["P"], "label": "l"}},
        {"m": turns[:1], "meta": {"id": "2", "kind": "x", "note": "n", "docs": [], "label": "l"}},
        {"m": [], "meta": {"id": "3", "kind": "x", "note": "n", "docs": [], "label": "l"}},
    ]
    fields = FieldMap(
        question="m.0.content", id="meta.id", contexts="meta.docs", answers={"a": "m.1.content"},
        labels="meta.label", comment="meta.note", tags={"kind": "meta.kind"},
    )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "p.parquet")
    parquet = read_logs(TableLogs(path="p.parquet", fields=fields), tmp_path)
    logs = _read(tmp_path / "p.jsonl", records, fields)
    for row in (logs.rows[0], parquet.rows[0]):
        assert (row.id, row.question, row.answers, row.labels) == ("1", "Q", {"a": "A"}, ("l",))
        assert (row.comment, row.tags, row.contexts[0].text) == ("n", {"kind": "x"}, "P")
    assert logs.rows[1].answers == {} and len(logs.rows) == len(parquet.rows) == 2
    assert [bad.reason for bad in logs.quarantined] == ["m.0.content: missing"]


@pytest.mark.parametrize(
    ("question", "hint"),
    [
        ("question", "did you mean 'input.question'"),
        ("input.questoin", "did you mean 'input.question'"),
        ("messages.1.text", "did you mean 'messages.0.text'"),
    ],
)
def test_a_path_that_no_row_has_is_refused(tmp_path: Path, question: str, hint: str) -> None:
    record: dict[str, Any] = {"input": {"question": "When?"}, "messages": [{"text": "T"}]}
    with pytest.raises(DataError, match=rf"fields\.question = '{question}': no row .*{hint}"):
        _read(tmp_path / "r.jsonl", [record], FieldMap(question=question))


CHAT = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        (CHAT, "found a list with the keys role, content; name the text in it: q.1.content"),
        (str(CHAT), "name the text in it: q.1.content"),
        (json.dumps(CHAT), "name the text in it: q.1.content"),
        ([{"from": "human", "value": "U"}], "name the text in it: q.0.value"),
        ('{"user": {"text": "U"}}', "an object with the keys user; name the text in it: q.user."),
        ('["U", "V"]', "found a list; name the text in it: q.0"),
        ("{}", "found an object; map a column of text"),
        ("[1, 2]", "found a list; map a column of text"),
    ],
)
def test_an_object_or_a_list_is_no_question(tmp_path: Path, cell: object, hint: str) -> None:
    with pytest.raises(DataError) as error:
        _read(tmp_path / "r.jsonl", [{"q": cell}], FieldMap(question="q"))
    assert hint in str(error.value) and "\n" not in str(error.value)


def test_words_that_mean_missing_are_nothing_and_are_counted(tmp_path: Path) -> None:
    words = ["nan", "NaN", "None", "NULL", "null", "<NA>", "NaT", "N/A", "#N/A"]
    records: list[dict[str, Any]] = [
        {"q": f"Q{n}", "a": word, "c": f" {word} ", "t": word, "l": word}
        for n, word in enumerate(words)
    ]
    kept = ["Null", "NA", "none of it", "nan.", "NONE", "0", "-"]
    records += [
        {"q": f"K{n}", "a": word, "c": word, "t": word, "l": word} for n, word in enumerate(kept)
    ]
    records.append({"q": "None", "a": "x", "c": ["nan", "P"], "t": None, "l": "nan"})
    fields = FieldMap(question="q", answers={"a": "a"}, contexts="c", tags={"t": "t"}, labels="l")

    logs = _read(tmp_path / "m.jsonl", records, fields)

    nothing, something = logs.rows[: len(words)], logs.rows[len(words) :]
    assert all(
        (row.answers, row.contexts, row.tags, row.labels) == ({}, (), {}, None) for row in nothing
    )
    assert [row.answers["a"] for row in something] == kept
    assert [row.tags["t"] for row in something] == kept
    assert [bad.reason for bad in logs.quarantined] == ["q: missing"]
    assert logs.missing_words["a"] == dict.fromkeys(words, 1)
    assert logs.missing_words["c"] == {**dict.fromkeys(words, 1), "nan": 2}
    assert logs.missing_words["q"] == {"None": 1}


def test_an_id_that_is_an_object_is_refused_with_its_path(tmp_path: Path) -> None:
    record = {"_id": {"$oid": "7"}, "q": "When?"}
    with pytest.raises(DataError, match=r"name the text in it: _id\.\$oid"):
        _read(tmp_path / "m.jsonl", [record], FieldMap(question="q", id="_id"))
    (row,) = _read(tmp_path / "m.jsonl", [record], FieldMap(question="q", id="_id.$oid")).rows
    assert row.id == "7"
