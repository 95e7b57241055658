"""Second turns: which follow-ups become rows, why the others do not, and that none leaks."""

from pathlib import Path
from typing import Any

import pytest

from config.log_formats import CampusLogs, DataSettings, FieldMap, TableLogs
from data.follow_ups import follow_up_rows
from data.jsonl import read_records
from data.prepare import DataQuality, prepare_data, prepare_splits
from data.rows import Context, FollowUp, Row, Turn, question_key
from tests.data.paths import HSE, LOGS, SETTINGS, needs_hse

ROOT = Path(__file__).resolve().parents[2]
LAKESIDE = DataSettings(
    train=CampusLogs(path="data/lakeside/train.json"),
    val=CampusLogs(path="data/lakeside/val.json"),
    hidden=CampusLogs(path="data/lakeside/hidden.json"),
    footer=r"\s*Read more:[\s\S]*$",
    stubs=("I would rather talk", "Something in your question", "I am in no mood"),
)


def row(identity: str, question: str, second: str | None, **values: Any) -> Row:
    """A row whose production answer is `It is.`, followed up by `second`."""
    turn = FollowUp(question=second, answer="At 9.", contexts=(Context(text="late"),))
    answers = {"production": "It is.", "other": "No."}
    values = {"answers": answers, "contexts": (Context(text="early"),), **values}
    return Row(id=identity, question=question, follow_up=turn, **values)


def test_the_history_is_what_the_user_saw() -> None:
    """Question, passages and the production system's answer; the labels are of the first turn."""
    first = row("a", "Is it open?", " and when? ", labels=("Saiga",), comment="too long")
    made, counts = follow_up_rows([first], set(), joined=False)
    assert made == (
        Row(
            id="a/2",
            question="and when?",
            contexts=(Context(text="late"),),
            answers={"production": "At 9."},
            history=(
                Turn(question="Is it open?", answer="It is.", contexts=(Context(text="early"),)),
            ),
        ),
    )
    assert (counts.logged, counts.rows, counts.unusable) == (1, 1, {})


def test_every_follow_up_is_made_or_named_with_its_reason() -> None:
    """Eight follow-ups, one of each kind: two are made, six are named; a row without is neither."""
    rows = [
        row("made", "Where?", "And when?"),
        row("again", "where", "and when"),  # the same conversation but for the spelling
        row("asks-nothing", "Who?", None),
        row("a-letter", "Why?", "a ?"),
        row("stub", "What?", "Really?", answers={"other": "No."}),
        row("val-asks-it", "Held?", "And then?"),
        row("val-asks-the-second", "How?", "held"),
        row("other-passages", "Where?", "And when?", contexts=()),
        Row(id="none", question="No more."),
    ]
    made, counts = follow_up_rows(rows, {"held"}, joined=False)
    assert [one.id for one in made] == ["made/2", "other-passages/2"]
    assert counts.unusable == {
        "first_held_out": ("val-asks-it",),
        "held_out": ("val-asks-the-second",),
        "no_first_answer": ("stub",),
        "no_question": ("asks-nothing",),
        "no_words": ("a-letter",),
        "repeated": ("again",),
    }
    assert counts.logged == counts.rows + sum(map(len, counts.unusable.values())) == 8


def test_a_second_question_logged_behind_the_first() -> None:
    """What stands behind the row's own question is asked; behind another one it is not this row's.

    Where logs are not joined, a text that begins like the first question is left as it is.
    """
    rows = [row("own", "Where?", "Where?And when?"), row("alien", "Why?", "Who?And when?")]
    made, counts = follow_up_rows(rows, set(), joined=True)
    assert [one.question for one in made] == ["And when?"]
    assert counts.unusable == {"other_question": ("alien",)}
    apart, _ = follow_up_rows(rows, set(), joined=False)
    assert [one.question for one in apart] == ["Where?And when?", "Who?And when?"]


@needs_hse
def test_the_campus_logs(tmp_path: Path) -> None:
    """Of 56 follow-ups 6 have no question (6 more had nothing but a stub, and cleaning counted
    them); of the 50 that have one, 37 begin with a first question
    that is not their row's (35 with one that no row of the file asks), and one is a single letter.
    """
    (tmp_path / "val.jsonl").write_text('{"q": "Совсем другое?"}\n')
    (tmp_path / "logs.json").symlink_to(HSE / "logs.json")
    val = TableLogs(path="val.jsonl", fields=FieldMap(question="q"))
    settings = SETTINGS.model_copy(update={"train": LOGS, "val": val, "hidden": None})
    made = prepare_splits(settings, tmp_path, seed=0)
    turns = made.quality.follow_ups
    assert turns is not None
    assert (turns.logged, turns.rows) == (56, 12)
    assert {why: len(ids) for why, ids in turns.unusable.items()} == {
        "no_question": 6,
        "no_words": 1,
        "other_question": 37,
    }
    seconds = [one for one in made.train if one.history]
    first = {one.id: one for one in made.train}
    assert len(seconds) == 12 and all(len(one.contexts) == 4 for one in seconds)
    assert all(one.id.removesuffix("/2") in first or one.id == "logs-0058/2" for one in seconds)
    assert not any(one.question.startswith(one.history[0].question[:30]) for one in seconds[:2])


@needs_hse
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_second_turn_tells_of_a_held_out_conversation(seed: int) -> None:
    """Val is split off by question: a second turn goes with its first one."""
    made = prepare_splits(SETTINGS.model_copy(update={"val_fraction": 0.3}), HSE, seed)
    held = {question_key(one) for one in (*made.val, *(made.hidden or ()))}
    for one in made.train:
        asked = {question_key(one), *(question_key(_asks(turn)) for turn in one.history)}
        assert not asked & held
    assert not any(one.history for one in made.val)


def _asks(turn: Turn) -> Row:
    return Row(id="", question=turn.question)


def test_the_demos_logs_round_trip(tmp_path: Path) -> None:
    """Of 101 follow-ups 86 are made; 9 have no question, 3 answer a stub, 3 leak. All are written
    and read back, and switching them off leaves the rows of before.
    """
    quality = prepare_data(LAKESIDE, ROOT, tmp_path, seed=0)
    turns = quality.follow_ups
    assert turns is not None
    assert (turns.logged, turns.rows) == (101, 86)
    reasons = {why: len(ids) for why, ids in turns.unusable.items()}
    assert reasons == {"first_held_out": 3, "no_first_answer": 3, "no_question": 9}
    rows = list(read_records(tmp_path / "train.jsonl", Row))
    assert tuple(rows) == prepare_splits(LAKESIDE, ROOT, 0).train
    assert sum(bool(one.history) for one in rows) == 86 and len({one.id for one in rows}) == len(
        rows
    )
    assert DataQuality.model_validate_json((tmp_path / "quality.json").read_text()) == quality
    off = prepare_splits(LAKESIDE.model_copy(update={"follow_ups": False}), ROOT, 0)
    assert off.train == tuple(one for one in rows if not one.history)
    assert off.quality.follow_ups is None and off.val == prepare_splits(LAKESIDE, ROOT, 0).val
    assert quality.splits["train"].rows == len(rows) == 291
