"""Conversations → rows: history, system prompts, what a row cannot show, hostile records."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import DataError
from config.log_formats import AutoLogs, DataSettings
from data.prepare import prepare_data, prepare_splits
from data.readers.recognise import ScannedLogs, scan_source
from data.readers.turn_template import PromptText
from data.rows import PRODUCTION, Row, normalise_question
from tests.data.readers.export_table import EXPORTS
from tests.data.readers.recognised import recognise_logs

SHARED_FOLDER = [HealthCheck.function_scoped_fixture]  # every example writes the same file
TOOL_CALLS = "tool calls, which a row cannot show"


def _user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _bot(text: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def _chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


def _scan(
    folder: Path, records: list[Any], prompt: PromptText | None = None
) -> tuple[ScannedLogs, list[Row]]:
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    (folder / "l.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    rows: list[Row] = []
    return scan_source(AutoLogs(path="l.jsonl"), folder, rows.append, prompt), rows


CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "q"}]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (
            [_user("q2"), _bot(None, tool_calls=[CALL]), {"role": "tool", "content": "1"}],
            TOOL_CALLS,
        ),
        ([_user("q2"), _bot("", function_call={"name": "f"})], TOOL_CALLS),
        ([_user(IMAGE), _bot("a2")], "image_url parts, which a row cannot show"),
        ([_user([{"type": "input_audio"}])], "input_audio parts, which a row cannot show"),
        (
            [{"role": "system", "content": "s2"}, _user("q2"), _bot("a2")],
            "a system message inside the conversation",
        ),
    ],
)
def test_a_conversation_is_used_up_to_what_a_row_cannot_show(
    tmp_path: Path, last: list[dict[str, Any]], reason: str
) -> None:
    """The first exchange is a row; the rest is counted and listed, not malformed."""
    scanned, rows = _scan(tmp_path, [_chat(_user("q1"), _bot("a1"), *last)])

    assert [row.question for row in rows] == ["q1"]
    assert scanned.form is not None and scanned.form.not_used == {reason: 1}
    assert [(bad.reason, bad.unsupported) for bad in scanned.notes.quarantined] == [(reason, True)]


def test_tool_calls_do_not_count_as_malformed(tmp_path: Path) -> None:
    """Four of ten conversations have tools: `max_bad_fraction` 0.01 must not stop the run."""
    records = [_chat(_user(f"q {n}"), _bot("a")) for n in "abcdef"]
    records += [_chat(_user(f"t {n}"), _bot(None, tool_calls=[CALL])) for n in "abcd"]
    _scan(tmp_path, records)
    settings = DataSettings.model_validate({"train": "l.jsonl"})

    quality = prepare_data(settings, tmp_path, tmp_path / "out", 0)

    assert quality.recognised == (
        f"l.jsonl: OpenAI chat messages, 6 rows; not used: 4 × {TOOL_CALLS}",
    )
    assert len(quality.quarantined) == 4


def test_an_assistants_greeting_is_counted(tmp_path: Path) -> None:
    scanned, rows = _scan(tmp_path, [_chat(_bot("Hello!"), _user("q"), _bot("a"))])
    assert [row.question for row in rows] == ["q"]
    assert scanned.form is not None
    assert scanned.form.not_used == {"an assistant's message before the first question": 1}


def test_a_question_without_an_answer_is_a_row(tmp_path: Path) -> None:
    scanned, rows = _scan(tmp_path, [_chat(_user("a"), _user("b")), _chat(_user("c"), _bot(" "))])
    assert [(row.question, row.answers) for row in rows] == [("a\nb", {}), ("c", {})]
    assert scanned.form is not None
    assert scanned.form.line().endswith("2 rows, 2 without an answer")


PROMPT = PromptText("Be brief.\nBe kind.", "{summaries}\nQ: {question}")


def test_the_prompt_in_the_logs_is_compared_with_the_prompt_file(tmp_path: Path) -> None:
    same, other = "Be brief. \r\nBe kind.\n", "Be brief.\nBe rude."
    records = [
        _chat({"role": role, "content": system}, _user(f"Content 1: p\nQ: q{n}"), _bot("a"))
        for n, (role, system) in enumerate(
            [("system", same), ("developer", same), ("system", other)]
        )
    ]
    records.append(_chat(_user("Be brief.\nBe kind.\n\nWhere?"), _bot("a")))
    scanned, rows = _scan(tmp_path, records, PROMPT)

    assert [row.question for row in rows] == ["q0", "q1", "q2", "Where?"]
    assert [len(row.contexts) for row in rows] == [1, 1, 1, 0]
    assert scanned.form is not None
    assert scanned.form.notes(PROMPT) == [
        "l.jsonl: the prompt file's system prompt in 3 of 4 rows; 1 other; in 1 rows line 2 is "
        "'Be rude.' in the logs and 'Be kind.' in the prompt file",
        "l.jsonl: the prompt file's user_template matches the user turn of 3 of 4 rows; the whole "
        "turn is the question in the others",
    ]


def test_worked_examples_of_the_prompt_are_no_history(tmp_path: Path) -> None:
    prompt = PromptText("", "{question}", examples=(("e?", "E."),))
    rows = _scan(tmp_path, [_chat(_user("e?"), _bot("E."), _user("q"), _bot("a"))], prompt)[1]
    assert [(row.question, row.history) for row in rows] == [("q", ())]


def test_records_of_another_form_are_quarantined_by_row(tmp_path: Path) -> None:
    records = [_chat(_user("q1"), _bot("a")), _chat(_user("q2"), _bot("a"))]
    records.append({"conversations": [{"from": "human", "value": "q3"}]})
    records.append({"note": "x"})
    scanned, rows = _scan(tmp_path, [*records, "{broken", '{"messages": "text"}'])

    assert len(rows) == 2
    assert [(bad.line, bad.reason) for bad in scanned.notes.quarantined] == [
        (3, "ShareGPT conversations in a file of OpenAI chat messages; give each its own file"),
        (4, "no OpenAI chat messages: its keys are note"),
        (5, "not JSON at character 2: Expecting property name enclosed in double quotes"),
        (6, "no OpenAI chat messages: its keys are messages"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "l.jsonl: it has no records; is it the right file?"),
        ("{broken\n", "l.jsonl: no record can be read; line 1: not JSON"),
        ('{"a": 1}\n', "its records have a; name the column yourself: {kind: table, path: …"),
        (
            '{"attributes": {"gen_ai.operation.name": "chat"}}\n',
            "OpenTelemetry gen_ai spans, but no valid row: 1 × a call without its messages; "
            r"record them \(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true\)",
        ),
        (
            '{"id": "c", "object": "chat.completion", "choices": []}\n',
            "export the messages as well",
        ),
    ],
)
def test_logs_without_a_row_say_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "l.jsonl").write_text(text)
    with pytest.raises(DataError, match=message):
        recognise_logs("l.jsonl", tmp_path)


def test_messages_that_a_tool_cut_off_are_no_question(tmp_path: Path) -> None:
    """Instrumentations may truncate: half a JSON must not be taken for what the user wrote."""
    span = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Wh'}
    whole = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"content": "[{?"}]}]'}
    scanned, rows = _scan(tmp_path, [{"attributes": whole}, {"attributes": span}])
    assert [row.question for row in rows] == ["[{?"]
    assert "may have been cut off" in scanned.notes.quarantined[0].reason


def test_repeated_ids_and_a_huge_line_do_no_harm(tmp_path: Path) -> None:
    records = [{"id": "same", **_chat(_user(f"q {n}"), _bot("a"))} for n in "ab"]
    records.append(_chat(_user("q" * 5_000_000), _bot("a")))
    scanned, rows = _scan(tmp_path, records)
    assert [row.id for row in rows] == ["l-0001", "l-0002"]
    assert [bad.reason for bad in scanned.notes.quarantined] == [
        "user turn 1: 5000000 characters, more than 4000000"
    ]


def test_turns_of_a_conversation_stay_in_one_split(tmp_path: Path) -> None:
    """30 conversations of three turns, whose second turn is the same words in all."""
    words = [f"topic {chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(30)]
    records = [
        _chat(*(m for q in (w, "and then?", f"more of {w}") for m in (_user(q), _bot("a " + w))))
        for w in words
    ]
    _scan(tmp_path, records)
    splits = prepare_splits(DataSettings.model_validate({"train": "l.jsonl"}), tmp_path, 0)

    conversations = [{row.id.split("/")[0] for row in part} for part in (splits.train, splits.val)]
    assert not conversations[0] & conversations[1]
    assert len(conversations[1]) == 6  # val_fraction 0.2 of 30
    # "and then?" occurs in val: train keeps no row that asks it, but keeps those that go on
    held_out = {normalise_question(row.question) for row in splits.val}
    assert not any(normalise_question(row.question) in held_out for row in splits.train)
    assert {len(row.history) for row in splits.train} == {0, 2}
    assert len([row for row in splits.val if row.question == "and then?"]) == 6  # no duplicates


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda text: any(char.isalnum() for char in text)
)


@settings(max_examples=60, deadline=None, suppress_health_check=SHARED_FOLDER)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.sampled_from(["chat", "gpt"]))
def test_conversations_come_back_turn_by_turn(
    tmp_path: Path, exchanges: list[tuple[str, str]], form: str
) -> None:
    """Whatever is written as a conversation is read as the same questions and answers."""
    if form == "chat":
        record: dict[str, Any] = _chat(*(m for q, a in exchanges for m in (_user(q), _bot(a))))
    else:
        pairs = [
            (role, t) for pair in exchanges for role, t in zip(("human", "gpt"), pair, strict=True)
        ]
        record = {"conversations": [{"from": role, "value": text} for role, text in pairs]}
    rows = _scan(tmp_path, [record])[1]

    assert [(row.question, row.answers[PRODUCTION]) for row in rows] == exchanges
    for number, row in enumerate(rows):
        assert [(turn.question, turn.answer) for turn in row.history] == exchanges[:number]


_WORDS = st.sampled_from(["user", "text", "[1]", '{"a": []}'])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
RECORDS = [
    json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    for path in sorted(EXPORTS.glob("*.jsonl"))
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [path, *(place for key, part in items for place in _places(part, (*path, key)))]


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=300, deadline=None, suppress_health_check=SHARED_FOLDER)
@given(st.data())
def test_a_damaged_record_is_read_or_refused_in_one_line(
    tmp_path: Path, data: st.DataObject
) -> None:
    """Any value of any export replaced by any JSON: rows and reasons, never another exception."""
    record = data.draw(st.sampled_from(RECORDS))
    places = [place for place in _places(record) if place]
    damaged = _replaced(record, data.draw(st.sampled_from(places)), data.draw(JSON))
    try:
        scanned, rows = _scan(tmp_path, [record, record, damaged])
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert scanned.form is not None and scanned.form.rows == len(rows)
