"""Logged text that no row can store: it is quarantined, and stops nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.log_formats import AutoLogs
from data.readers.recognise import scan_source
from data.rows import PRODUCTION, Row

_CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
_PAIR = {"prompt": "q", "chosen": "a", "rejected": "b"}


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (_PAIR, {**_PAIR, "rejected": "b\ud800"}, "rejected answer: "),
        (_PAIR, {**_PAIR, "rejected": "b\0"}, "rejected answer: "),
        (
            {"messages": _CHAT},
            {"messages": [{"role": "system", "content": "s\ud800"}, *_CHAT]},
            "system prompt: ",
        ),
        (
            {"conversations": _CHAT},
            {"conversations": [{"type": "reasoning"}], "system": "s"},
            "no message with text",
        ),
    ],
)
def test_the_record_is_quarantined(
    tmp_path: Path, good: dict[str, Any], bad: dict[str, Any], reason: str
) -> None:
    """Half a character cannot be written: unchecked it would end a run with a traceback."""
    lines = "".join(f"{json.dumps(record)}\n" for record in (good, bad))
    (tmp_path / "l.jsonl").write_text(lines)
    rows: list[Row] = []
    scanned = scan_source(AutoLogs(path="l.jsonl"), tmp_path, rows.append)
    assert [row.id for row in rows] == ["l-0001"] and rows[0].model_dump_json()
    (record,) = scanned.notes.quarantined
    assert record.line == 2 and record.reason.startswith(reason)


def test_a_blank_rejected_answer_is_none(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text(json.dumps({**_PAIR, "rejected": " "}) + "\n")
    rows: list[Row] = []
    scan_source(AutoLogs(path="l.jsonl"), tmp_path, rows.append)
    assert rows[0].answers == {PRODUCTION: "a"}


def test_a_line_on_the_logs_can_be_written(tmp_path: Path) -> None:
    """The kind of a part that no row can show is named in it, whatever it is."""
    image = {"messages": [{"role": "user", "content": [{"type": "x\ud800"}]}]}
    lines = "".join(f"{json.dumps(record)}\n" for record in ({"messages": _CHAT}, image))
    (tmp_path / "l.jsonl").write_text(lines)
    scanned = scan_source(AutoLogs(path="l.jsonl"), tmp_path, lambda row: None)
    assert scanned.form is not None
    assert "not used: 1 × x? parts, which a row cannot show" in scanned.form.line()
