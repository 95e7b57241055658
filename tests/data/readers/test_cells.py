"""Columns with mixed types, and the formats of passages."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config.log_formats import CampusLogs, FieldMap, TableLogs
from data.readers.logs import read_logs
from data.rows import Context, Row

QUESTION = FieldMap(question="q")


def _table(path: Path, fields: FieldMap) -> TableLogs:
    return TableLogs(path=path.name, fields=fields)


def _write(path: Path, values: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def _drifting() -> list[dict[str, Any]]:
    return [
        {
            "q": f"Вопрос {number}",
            "late": None if number < 500 else f"c{number}",  # null first
            "mixed": number if number % 2 else f"n{number}",
            "part": None if number % 3 else number,  # whole numbers, float once nulls join them
            "share": number / 4,
            "a": None if number < 900 else "Ответ",
        }
        for number in range(1000)
    ]


DRIFT = FieldMap(
    question="q",
    answers={"old": "a"},
    comment="late",
    tags={"mixed": "mixed", "part": "part", "share": "share"},
)


def _assert_drift_survived(rows: tuple[Row, ...]) -> None:
    assert len(rows) == 1000
    assert [row.comment for row in rows[498:502]] == [None, None, "c500", "c501"]
    assert rows[3].tags == {"mixed": "3", "part": "3", "share": "0.75"}
    assert rows[4].tags == {"mixed": "n4", "share": "1"}
    assert [row.answers for row in rows[899:901]] == [{}, {"old": "Ответ"}]


@pytest.mark.reliability(line=7)
def test_drifting_columns_jsonl(tmp_path: Path) -> None:
    logs = read_logs(_table(_write(tmp_path / "d.jsonl", _drifting()), DRIFT), tmp_path)

    assert not logs.quarantined
    _assert_drift_survived(logs.rows)


@pytest.mark.reliability(line=7)
def test_drifting_columns_parquet(tmp_path: Path) -> None:
    values = _drifting()
    text = {name: pa.array([value[name] for value in values], pa.string()) for name in ("q", "a")}
    late = pa.array([value["late"] for value in values]).dictionary_encode()
    mixed = pa.array([str(value["mixed"]).encode() for value in values], pa.binary())
    part = pa.array(
        [float("nan") if v["part"] is None else v["part"] for v in values], pa.float64()
    )
    share = pa.array([value["share"] for value in values])
    table = pa.table({**text, "late": late, "mixed": mixed, "part": part, "share": share})
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=300)

    logs = read_logs(_table(tmp_path / "d.parquet", DRIFT), tmp_path)

    assert not logs.quarantined
    _assert_drift_survived(logs.rows)


def test_parquet_cell_that_is_not_utf8_spoils_only_its_row(tmp_path: Path) -> None:
    broken = pa.array([b"one", "касса".encode("cp1251"), b"three"]).cast(pa.binary())
    column = pa.Array.from_buffers(pa.string(), 3, broken.buffers())
    pq.write_table(pa.table({"q": column}), tmp_path / "d.parquet")

    logs = read_logs(_table(tmp_path / "d.parquet", QUESTION), tmp_path)

    assert [row.question for row in logs.rows] == ["one", "three"]
    assert [bad.line for bad in logs.quarantined] == [2]


@pytest.mark.reliability(line=8)
def test_four_forms_of_no_contexts_are_the_same_row(tmp_path: Path) -> None:
    forms: list[object] = [[], None, "", "Источников нет"]
    values = [{"q": "Где касса?", "c": form} for form in forms]
    fields = FieldMap(question="q", contexts="c")
    table = read_logs(_table(_write(tmp_path / "n.jsonl", values), fields), tmp_path)
    campus = [{"Вопрос пользователя": "Где касса?", "Ресурсы для ответа": form} for form in forms]
    (tmp_path / "n.json").write_text(json.dumps(campus))
    chat = read_logs(CampusLogs(path="n.json"), tmp_path)

    for logs in (table, chat):
        same = {
            row.model_copy(update={"id": "", "origin": ""}).model_dump_json() for row in logs.rows
        }
        assert len(logs.rows) == 4 and len(same) == 1
        assert logs.rows[0].contexts == ()


def test_contexts_come_as_texts_objects_json_or_one_text(tmp_path: Path) -> None:
    first, second = Context(text="Первый"), Context(text="Второй", url="https://a.b")
    objects = [{"text": "Первый"}, {"text": "Второй", "url": "https://a.b"}]
    cells = [["Первый"], objects, json.dumps(objects), "Первый", "[1] Сноска", '["torn', [3]]
    values = [{"q": "Где касса?", "c": cell} for cell in cells]
    fields = FieldMap(question="q", contexts="c")

    logs = read_logs(_table(_write(tmp_path / "c.jsonl", values), fields), tmp_path)

    expected = [(first,), (first, second), (first, second), (first,), (Context(text="[1] Сноска"),)]
    assert [row.contexts for row in logs.rows] == expected
    assert [bad.line for bad in logs.quarantined] == [6, 7]
