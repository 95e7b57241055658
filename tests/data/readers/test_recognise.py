"""Logs as tools export them: every form is recognised, and its rows are the logged exchanges.

The fixtures in `exports/` follow each tool's public documentation. All hold the same twelve
questions and answers of an invented library.
"""

import json
from pathlib import Path

import pytest

from config.log_formats import AutoLogs, CampusLogs, TableLogs
from data.readers.recognise import mapped_logs, scan_source
from data.rows import PRODUCTION, Row
from tests.data.readers.export_table import EXPORTS, FORM_OF, read_export, table_lines
from tests.data.readers.recognised import recognise_logs

_DOCS = Path("docs/logs.md")


def _exchanges(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.question, row.answers[PRODUCTION].strip()) for row in rows]


QUESTIONS = _exchanges(read_export("table.csv")[1])


@pytest.mark.parametrize("name", sorted(FORM_OF))
def test_every_export_is_recognised_and_read_whole(name: str) -> None:
    """The twelve exchanges are in each file; follow-ups come on top, with their history."""
    form, rows = read_export(name)

    assert form.name == FORM_OF[name].name
    assert form.rows == len(rows) == FORM_OF[name].rows
    assert form.quarantined == 0
    firsts = [row for row in rows if "/" not in row.id]
    expected = QUESTIONS[1:] if name == "openai_fine_tuning.jsonl" else QUESTIONS  # weight 0
    assert _exchanges(firsts) == expected


def test_the_exports_are_all_in_the_table_of_forms() -> None:
    """A fixture without a line would not be measured."""
    assert {path.name for path in EXPORTS.iterdir()} == set(FORM_OF)


def test_the_table_in_the_docs_has_the_measured_figures() -> None:
    """`python -m tests.data.readers.export_table` prints it; at least 99 % of rows are read."""
    assert "\n".join(table_lines()) in _DOCS.read_text(encoding="utf-8")
    read = sum(read_export(name)[0].rows for name in FORM_OF)
    assert read >= 0.99 * sum(form.rows for form in FORM_OF.values())


def test_the_system_prompt_is_taken_out_and_counted() -> None:
    form, rows = read_export("openai_chat.jsonl")

    assert list(form.systems.values()) == [18]
    assert form.system is not None and form.system.startswith("You are the assistant")
    assert all("Lakeside" not in row.question for row in rows)
    assert form.line() == (
        "openai_chat.jsonl: OpenAI chat messages, 18 rows, system prompt in 18, earlier turns in 6"
    )


def test_later_turns_have_the_earlier_ones_as_history() -> None:
    rows = {row.id: row for row in read_export("openai_chat.jsonl")[1]}

    last = rows["openai_chat-0001/3"]
    assert last.question == "Thanks, and on holidays?"
    assert [turn.question for turn in last.history] == [QUESTIONS[0][0], "And on Sunday?"]
    assert [turn.answer for turn in last.history] == [QUESTIONS[0][1], "On Sunday it is closed."]


def test_a_logged_request_is_one_row_because_earlier_turns_were_requests_of_their_own() -> None:
    rows = read_export("otel_otlp.jsonl")[1]
    assert [len(row.history) for row in rows] == [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]


def test_other_spans_are_counted_and_not_quarantined() -> None:
    form = read_export("otel_otlp.jsonl")[0]
    assert form.not_used == {"a span of another kind": 2}


def test_rejected_answers_are_those_of_a_system_of_their_own() -> None:
    rows = read_export("openai_preference.jsonl")[1]
    assert {row.answers["rejected"] for row in rows} == {"I do not know."}


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('{"question": "q", "answer": "a", "stars": 5}\n')
    form = recognise_logs("l.jsonl", tmp_path)
    assert form.line() == "l.jsonl: table, 1 rows; columns not used: stars"


def test_a_recognised_table_reads_as_one_with_its_field_map() -> None:
    settings = AutoLogs(path="excel_utf8.csv")
    mapped = mapped_logs(settings, EXPORTS)
    assert isinstance(mapped, TableLogs) and mapped.fields.question == "Вопрос"
    rows: list[Row] = []
    scan_source(mapped, EXPORTS, rows.append)
    assert rows == read_export("excel_utf8.csv")[1]


def test_the_campus_chat_bot_is_recognised() -> None:
    root = Path("data/lakeside")
    settings = AutoLogs(path="train.json")
    assert mapped_logs(settings, root) == CampusLogs(path="train.json")
    rows: list[Row] = []
    expected: list[Row] = []
    form = scan_source(settings, root, rows.append).form
    scan_source(CampusLogs(path="train.json"), root, expected.append)
    assert form is not None and form.name == "campus chat-bot"
    assert rows == expected


def test_the_first_malformed_line_does_not_hide_the_form(tmp_path: Path) -> None:
    lines = ["{broken", *(json.dumps({"messages": [{"role": "user", "content": "q"}]}),) * 2]
    (tmp_path / "l.jsonl").write_text("\n".join(lines))
    form = recognise_logs("l.jsonl", tmp_path)
    assert (form.name, form.rows, form.quarantined) == ("OpenAI chat messages", 2, 1)
