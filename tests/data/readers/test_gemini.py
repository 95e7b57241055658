"""Gemini's requests, responses and tuning data."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.log_formats import AutoLogs
from data.readers.recognise import scan_source
from data.rows import Row
from tests.data.readers.export_table import read_export
from tests.data.readers.recognised import recognise_logs

USER = {"role": "user", "parts": [{"text": "q"}]}
MODEL = {"role": "model", "parts": [{"text": "a"}]}


def _response(*parts: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}}]}


def _rows(folder: Path, *records: dict[str, Any]) -> list[Row]:
    (folder / "g.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    rows: list[Row] = []
    form = scan_source(AutoLogs(path="g.jsonl"), folder, rows.append).form
    assert form is not None and form.name == "Gemini contents"
    return rows


@pytest.mark.parametrize("name", ["requests", "genai", "tuning"])
def test_the_system_instruction_is_the_system_prompt(name: str) -> None:
    form = read_export(f"gemini_{name}.jsonl")[0]
    assert form.with_system == form.rows and len(form.systems) == 1
    assert form.system is not None and form.system.startswith("You are the assistant of the Lake")


def test_tuning_data_are_conversations_and_requests_are_single_calls(tmp_path: Path) -> None:
    """The earlier turns of a request were requests of their own, those of tuning data were not."""
    contents = [USER, MODEL, USER]
    rows = _rows(tmp_path, {"contents": [*contents, MODEL]})
    assert [len(row.history) for row in rows] == [0, 1]
    rows = _rows(tmp_path, {"contents": contents, "response": _response({"text": "a"})})
    assert [len(row.history) for row in rows] == [1]


def test_streamed_chunks_are_one_answer_and_thoughts_are_none_of_it(tmp_path: Path) -> None:
    chunks = [_response({"text": "one"}), _response({"text": "so", "thought": True})]
    rows = _rows(tmp_path, {"contents": [USER], "response": [*chunks, _response({"text": " two"})]})
    assert rows[0].answers == {"production": "one two"}


@pytest.mark.parametrize(
    ("contents", "response", "reason"),
    [
        ([USER], _response({"functionCall": {"name": "f"}}), "tool calls, which a row cannot show"),
        ([{"parts": [{"inline_data": {"data": ""}}]}], _response({"text": "a"}), "image and file"),
        ([USER], {"promptFeedback": {"blockReason": "SAFETY"}}, "the request was blocked, so"),
        ([{"parts": [{"fileData": {}, "text": None}]}], {"candidates": []}, "no text among the"),
        ([{"parts": "q"}], _response(), "no text among the keys parts"),
    ],
)
def test_what_a_row_cannot_show_is_counted_with_the_reason(
    tmp_path: Path, contents: Any, response: Any, reason: str
) -> None:
    records = [{"contents": contents, "response": response}]
    records += [{"contents": [USER], "response": _response({"text": "a"})}]
    _rows(tmp_path, *records)
    scanned = scan_source(AutoLogs(path="g.jsonl"), tmp_path, lambda row: None)
    assert [reason in bad.reason for bad in scanned.notes.quarantined] == [True]


@pytest.mark.parametrize("response", [{"candidates": []}, {"candidates": [{"index": 0}]}])
def test_a_response_without_text_is_a_row_without_an_answer(tmp_path: Path, response: Any) -> None:
    rows = _rows(tmp_path, {"contents": [USER], "response": response})
    assert [row.answers for row in rows] == [{}]


def test_a_column_of_texts_called_contents_is_no_request(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"question": "q", "answer": "a", "contents": ["b"]}\n')
    assert recognise_logs("t.jsonl", tmp_path).name == "table"
