"""People's scores in exports: labels of the rows, or counted with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from config.log_formats import AutoLogs
from data.label_meaning import row_meanings
from data.readers.recognise import scan_source
from data.readers.recognised_logs import RecognisedLogs
from data.rows import Row
from tests.data.readers.export_table import read_export

UNKNOWN_SCALE = "a number on an unknown scale; give the logs as a table with fields.label_map"


def _read(folder: Path, *records: dict[str, Any]) -> tuple[RecognisedLogs, list[Row]]:
    (folder / "s.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    rows: list[Row] = []
    form = scan_source(AutoLogs(path="s.jsonl"), folder, rows.append).form
    assert form is not None
    return form, rows


def _trace(*scores: Any, output: str = "a") -> dict[str, Any]:
    return {"traceId": "t", "input": "q", "output": output, "scores": list(scores)}


def _score(name: str, value: Any, source: str = "ANNOTATION", **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "source": source, **more}


def _run(**feedback: Any) -> dict[str, Any]:
    return {"run_type": "llm", "inputs": {"input": "q"}, "outputs": {"output": "a"}, **feedback}


def _meaning(row: Row) -> str:
    return "".join(sorted(row_meanings(row)))


def test_scores_of_people_are_labels_and_what_programs_gave_is_counted() -> None:
    """Booleans, categories and feedback of 0 and 1; a 4 of unknown stars says nothing certain."""
    form, rows = read_export("langfuse_scores.jsonl")
    assert [_meaning(row) for row in rows[:8]] == ["good", "bad"] * 3 + ["bad", "good"]
    assert rows[1].labels == ("answer-quality: 0",) and rows[1].comment == "too short"
    assert rows[4].labels == ("correct",) and rows[8].labels is None
    assert form.labelled == 8
    assert form.not_used == {
        "score 'hallucination': given by a program or a model": 12,
        f"score 'stars': {UNKNOWN_SCALE}": 1,
    }
    assert "people's labels in 8; not used: 12 × score 'hallucination'" in form.line()


def test_feedback_of_langsmith_whole_and_as_means() -> None:
    form, rows = read_export("langsmith_feedback.jsonl")
    assert [_meaning(row) for row in rows[:6]] == ["bad", "good", "bad", "good", "good", "bad"]
    assert [_meaning(row) for row in rows[6:9]] == ["", "good", "bad"]
    assert form.not_used == {"score 'conciseness': given by a program or a model": 1}


def test_annotations_of_phoenix_by_people() -> None:
    form, rows = read_export("phoenix_annotations.jsonl")
    assert [_meaning(row) for row in rows[:5]] == ["good", "bad", "good", "bad", ""]
    assert form.not_used == {"score 'correctness': given by a program or a model": 2}


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("quality", (1, 4), UNKNOWN_SCALE),  # stars: 1 is the worst
        ("quality", (1, 1), UNKNOWN_SCALE),  # stars, perhaps: no 0 shows that it is yes and no
        ("quality", (1, 0.5), UNKNOWN_SCALE),
        ("toxicity", (1, 0), "its name does not say whether yes is good"),
        ("not helpful", (1, 0), "its name does not say whether yes is good"),
        ("dislike", (True, False), "its name does not say whether yes is good"),
    ],
)
def test_a_number_or_a_yes_without_a_certain_meaning_is_no_label(
    tmp_path: Path, name: str, values: tuple[Any, Any], reason: str
) -> None:
    """A wrong label would count as gold of the judge's calibration."""
    kind = "BOOLEAN" if isinstance(values[0], bool) else "NUMERIC"
    records = [_trace(_score(name, value, dataType=kind)) for value in values]
    form, rows = _read(tmp_path, *records)
    assert [row.labels for row in rows] == [None, None]
    assert form.not_used == {f"score {name!r}: {reason}": 2}


@pytest.mark.parametrize("value", [(1, "good"), (0, "bad")])
def test_thumbs_are_yes_and_no_also_where_all_are_up(
    tmp_path: Path, value: tuple[int, str]
) -> None:
    rows = _read(tmp_path, _run(feedback_stats={"thumbs_up": {"n": 1, "avg": value[0]}}))[1]
    assert [_meaning(row) for row in rows] == [value[1]]


def test_people_who_disagree_are_no_label(tmp_path: Path) -> None:
    """The mean of 1 and 0 is neither."""
    stats = [{"user_score": {"n": 2, "avg": mean}} for mean in (0.5, 0.0)]
    form, rows = _read(tmp_path, *(_run(feedback_stats=stat) for stat in stats))
    assert [_meaning(row) for row in rows] == ["", ""]
    assert sum(form.not_used.values()) == 2


def test_words_without_a_known_meaning_stay_as_labels_for_rules(tmp_path: Path) -> None:
    form, rows = _read(tmp_path, _trace(_score("topic", "opening hours")))
    assert rows[0].labels == ("opening hours",) and not _meaning(rows[0])
    assert form.not_used == {}


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (_score("note", "word " * 40), "a text, no label"),
        (_score("verdict", "good", comment="\ud800"), "contains a lone surrogate"),
        (_score("accuracy", 1, "API"), "nothing says that a person gave it"),
    ],
)
def test_what_is_no_label_is_counted(tmp_path: Path, score: dict[str, Any], reason: str) -> None:
    form, rows = _read(tmp_path, _trace(score))
    assert rows[0].labels is None
    assert form.not_used == {f"score {score['name']!r}: {reason}": 1}


def test_a_score_of_several_calls_or_of_no_answer_is_counted(tmp_path: Path) -> None:
    calls = [{"type": "GENERATION", "input": "q", "output": "a"}] * 2
    trace = {**_trace(_score("verdict", "good")), "observations": calls}
    form, rows = _read(tmp_path, trace, _trace(_score("verdict", "good"), output=""))
    assert [row.labels for row in rows] == [None] * 3
    assert form.not_used == {"score 'verdict': of no single answer": 2}


def test_ids_of_scores_are_counted(tmp_path: Path) -> None:
    form, rows = _read(tmp_path, _trace("id-1", "id-2"))
    assert rows[0].labels is None
    reason = "score 'scores': the export has only ids; export traces with their scores"
    assert form.not_used == {reason: 2}


def test_columns_of_scores_in_an_exported_table(tmp_path: Path) -> None:
    """A list per score; who gave it is not exported, so that its name has to tell."""
    head = "id,traceId,type,input,output,tags,user-feedback,faithfulness\n"
    lines = [f'{n},t,GENERATION,q,a,"[""x""]",[{n}],[0.{n}]\n' for n in (0, 1)]
    (tmp_path / "s.csv").write_text(head + "".join(lines))
    rows: list[Row] = []
    form = scan_source(AutoLogs(path="s.csv"), tmp_path, rows.append).form
    assert [_meaning(row) for row in rows] == ["bad", "good"]
    assert form is not None
    assert form.not_used == {"score 'faithfulness': nothing says that a person gave it": 2}


@pytest.mark.parametrize("scores", ["x", {"helpful": [None]}, [{"value": 1}], [{"name": 5}]])
def test_scores_of_another_shape_do_no_harm(tmp_path: Path, scores: Any) -> None:
    rows = _read(tmp_path, {**_trace(), "scores": scores})[1]
    assert [row.labels for row in rows] == [None]
