"""promptfoo's table as CSV."""

from pathlib import Path

import pytest

from config.errors import DataError
from config.log_formats import AutoLogs
from data.readers.recognise import scan_source
from data.rows import Row
from tests.data.readers.export_table import read_export
from tests.data.readers.recognised import recognise_logs

NOTES = "Status,Score,Named Scores,Grader Reason,Comment"


def _rows(folder: Path, text: str) -> tuple[list[Row], list[str]]:
    (folder / "p.csv").write_text(text)
    rows: list[Row] = []
    scanned = scan_source(AutoLogs(path="p.csv"), folder, rows.append)
    assert scanned.form is not None and scanned.form.name == "promptfoo results"
    return rows, [bad.reason for bad in scanned.notes.quarantined]


def test_the_only_variable_is_the_question_and_the_context_is_a_passage() -> None:
    """`topic` is no usual name; a status in front of an answer is no part of it."""
    assert read_export("promptfoo_prefixes.csv")[1][2].answers["production"].startswith("Yes")
    assert all(row.contexts for row in read_export("promptfoo.csv")[1])


def test_several_outputs_are_rows_of_their_own_though_their_columns_repeat(tmp_path: Path) -> None:
    head = f"question,[a:x] p,{NOTES},[b:y] p,{NOTES}\n"
    rows, bad = _rows(tmp_path, head + "q,one,PASS,1,,,,two,PASS,1,,,\nr,,,,,,,four,FAIL,0,,no,\n")
    assert [(row.question, row.answers["production"]) for row in rows] == [
        ("q", "one"),
        ("q", "two"),
        ("r", "four"),
    ]
    assert not bad


def test_a_failed_request_is_no_answer(tmp_path: Path) -> None:
    rows, bad = _rows(tmp_path, "question,[a:x] p\nq,[PASS] a\nr,[ERROR] API error: 429\n")
    assert [row.question for row in rows] == ["q"]
    assert bad == ["the request failed, so that there is no answer"]


def test_the_reason_of_a_failed_check_is_no_part_of_the_answer(tmp_path: Path) -> None:
    """Where older versions wrote it in front, nothing tells where it ends for certain."""
    text = 'question,[a:x] p\nq,[PASS] a\nr,"[FAIL] Expected b\n---\nc"\n'
    assert _rows(tmp_path, text)[1] == [
        "the reason of a failed check stands in front of the answer; export as JSON"
    ]
    text = f'question,[a:x] p,{NOTES}\nr,"[FAIL] b\n---\nc",FAIL,0,,no,\n'
    assert _rows(tmp_path, text)[0][0].answers["production"] == "[FAIL] b\n---\nc"


def test_variables_without_a_usual_name_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("a,b,[x:y] p\nq,r,[PASS] s\n")
    with pytest.raises(DataError, match=r"among a, b; export the results as JSON"):
        recognise_logs("p.csv", tmp_path)


def test_other_columns_that_repeat_are_refused_as_ever(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("question,Status,Status\nq,a,b\n")
    with pytest.raises(DataError, match="repeats a column"):
        recognise_logs("p.csv", tmp_path)
