"""The reader of the campus chat-bot's JSON: counts of the real file, and the repr of documents."""

import json
from collections import Counter
from pathlib import Path

import pytest

from config.errors import DataError
from config.log_formats import CampusLogs
from data.readers.campus import parse_documents
from data.readers.cells import Malformed
from data.readers.logs import read_logs
from data.rows import Context, FollowUp, question_key
from tests.data.hse_logs import HIDDEN, HSE, LOGS, needs_hse

QUESTION = "Вопрос пользователя"


@needs_hse
def test_real_logs() -> None:
    rows, quarantined, _ = read_logs(LOGS, HSE)
    turns = [row.follow_up for row in rows if row.follow_up is not None]

    assert (len(rows), len(quarantined)) == (103, 0)
    assert sum(len(row.contexts) for row in rows) == 412
    assert sum(len(turn.contexts) for turn in turns) == 200
    assert sum(turn.question is not None for turn in turns) == 50
    assert len({row.question for row in rows}) == 90
    assert len({question_key(row) for row in rows}) == 89  # two differ in a comma alone
    assert all(set(row.answers) == {"production", "saiga", "giga"} for row in rows)
    assert all(context.url for row in rows for context in row.contexts)
    assert Counter(label for row in rows for label in row.labels or ()) == {
        "Оба плохо": 37,
        "GigaChat": 31,
        "Saiga": 21,
        "Оба хорошо": 13,
        "Вопрос не по теме": 1,
    }
    assert rows[0].id == "logs-0001" and rows[102].id == "logs-0103"
    assert rows[0].tags["user_filters"] == "Нижний Новгород, бакалавриат"


@needs_hse
def test_real_hidden_format() -> None:
    rows, quarantined, _ = read_logs(HIDDEN, HSE)

    assert (len(rows), len(quarantined)) == (20, 0)
    assert all(not row.answers and row.labels is None and row.follow_up is None for row in rows)
    assert all(len(row.contexts) == 4 for row in rows)


def test_row_by_row(tmp_path: Path) -> None:
    values = [
        {QUESTION: "Где касса?", "Кто лучше?": "Saiga,  GigaChat", "Кампус": None, "Saiga": ""},
        {QUESTION: "Где?", "Ответ AI (уточнение)": "Там.", "Кто лучше?": None},
        {QUESTION: "Где?", "Ресурсы для ответа": "[Document(page_content=open('x'))]"},
        {QUESTION: " "},
        ["Где?"],
    ]
    (tmp_path / "c.json").write_text(json.dumps(values, ensure_ascii=False, indent=1))
    twice = (tmp_path / "c.json").read_text()[:-2] + f', {{"{QUESTION}": "1", "{QUESTION}": "2"}}]'
    (tmp_path / "c.json").write_text(twice)

    rows, quarantined, _ = read_logs(CampusLogs(path="c.json"), tmp_path)

    assert rows[0].labels == ("Saiga", "GigaChat")
    assert rows[0].answers == {"saiga": ""} and rows[0].tags == {}
    assert rows[1].labels is None
    assert rows[1].follow_up == FollowUp(question=None, answer="Там.")
    assert [row.origin for row in rows] == ["c.json:2", "c.json:8"]
    assert [bad.line for bad in quarantined] == [13, 17, 20, 22]
    assert "twice" in quarantined[3].reason


@pytest.mark.parametrize("text", ["{}", "[]", "[1", "[{}] []", "", '{"a": NaN', "нет"])
def test_a_file_that_is_no_list_of_rows(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(DataError, match=r"c\.json: .*right file"):
        read_logs(CampusLogs(path="c.json"), tmp_path)


TRICKY = [
    "it's \"both\" 'quotes'",
    "back\\slash and \\n that is no newline",
    "Document(page_content='inside', metadata={})",
    "]), Document(page_content=''",
    "line\nbreak\ttab\u00a0space",
    "{0.__class__} and %s",
]


@pytest.mark.parametrize("text", TRICKY)
def test_a_passage_survives_its_repr(text: str) -> None:
    cell = f"[Document(page_content={text!r}, metadata={{'url': 'https://a.b', 'n': 1}}), ]"
    assert parse_documents(cell, "c") == (Context(text=text, url="https://a.b"),)


def test_source_stands_in_for_url() -> None:
    cell = "[Document(metadata={'source': 'a.pdf', 'url': ''}, page_content='x' 'y')]"
    assert parse_documents(cell, "c") == (Context(text="xy", url="a.pdf"),)


@pytest.mark.parametrize(
    "cell",
    [
        "[Document(page_content='torn",
        "Document(page_content='x')",
        "[Document('x')]",
        "[Document(page_content=__import__('os').getcwd())]",
        "[1, 2]",
        "(" * 5000,
        "нет ответа",
    ],
)
def test_what_is_no_list_of_documents(cell: str) -> None:
    with pytest.raises(Malformed, match="document"):
        parse_documents(cell, "c")
