"""Follow-up rows: which follow-ups become rows, why others do not, and that none leaks."""

from pathlib import Path
from typing import Any

import pytest

from config.log_formats import CampusLogs, DataSettings, FieldMap, TableLogs
from data.data_quality import DataQuality
from data.follow_ups import FollowUpCounts, FollowUps
from data.jsonl import read_records
from data.prepare import prepare_data, prepare_splits
from data.rows import Context, FollowUp, Row, Turn, question_key
from tests.data.hse_logs import HSE, LOGS, SETTINGS, needs_hse

ROOT = Path(__file__).resolve().parents[2]
LAKESIDE = DataSettings(
    train=CampusLogs(path="data/lakeside/train.json"),
    val=CampusLogs(path="data/lakeside/val.json"),
    hidden=CampusLogs(path="data/lakeside/hidden.json"),
    footer=r"\s*Read more:[\s\S]*$",
    stubs=("I would rather talk", "Something in your question", "I am in no mood"),
)


def row(identity: str, question: str, second: str | None, **values: Any) -> Row:
    """A row with the production answer `It is.` and the follow-up question `second`."""
    turn = FollowUp(question=second, answer="At 9.", contexts=(Context(text="late"),))
    answers = {"production": "It is.", "other": "No."}
    values = {"answers": answers, "contexts": (Context(text="early"),), **values}
    return Row(id=identity, question=question, follow_up=turn, **values)


def follow_up_rows(
    train: list[Row], held_out: set[str], joined: bool
) -> tuple[tuple[Row, ...], FollowUpCounts]:
    """The rows of second turns, and the counts."""
    follow_ups = FollowUps(held_out, joined)
    second_turns = [follow_ups.follow_up_row(train_row) for train_row in train]
    return tuple(turn for turn in second_turns if turn is not None), follow_ups.counts()


def test_the_history_is_what_the_user_saw() -> None:
    """Question, passages and the production answer; labels belong to the first turn only."""
    first = row("a", "Is it open?", " and when? ", labels=("Saiga",), comment="too long")
    follow_ups, counts = follow_up_rows([first], set(), joined=False)
    assert follow_ups == (
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
    """Eight follow-ups, one of each kind: two become rows, six are counted with a reason."""
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
    follow_ups, counts = follow_up_rows(rows, {"held"}, joined=False)
    assert [follow_up.id for follow_up in follow_ups] == ["made/2", "other-passages/2"]
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
    """The text after the row's own question is the follow-up; after another one it is unusable.

    In logs that are not joined, the text stays unchanged.
    """
    rows = [row("own", "Where?", "Where?And when?"), row("alien", "Why?", "Who?And when?")]
    follow_ups, counts = follow_up_rows(rows, set(), joined=True)
    assert [follow_up.question for follow_up in follow_ups] == ["And when?"]
    assert counts.unusable == {"other_question": ("alien",)}
    unjoined, _ = follow_up_rows(rows, set(), joined=False)
    assert [follow_up.question for follow_up in unjoined] == ["Where?And when?", "Who?And when?"]


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
    splits = prepare_splits(settings, tmp_path, seed=0)
    counts = splits.quality.follow_ups
    assert counts is not None
    assert (counts.logged, counts.rows) == (56, 12)
    assert {why: len(ids) for why, ids in counts.unusable.items()} == {
        "no_question": 6,
        "no_words": 1,
        "other_question": 37,
    }
    follow_ups = [train_row for train_row in splits.train if train_row.history]
    first = {train_row.id: train_row for train_row in splits.train}
    assert len(follow_ups) == 12 and all(len(train_row.contexts) == 4 for train_row in follow_ups)
    assert all(
        train_row.id.removesuffix("/2") in first or train_row.id == "logs-0058/2"
        for train_row in follow_ups
    )
    assert not any(
        train_row.question.startswith(train_row.history[0].question[:30])
        for train_row in follow_ups[:2]
    )


@needs_hse
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_second_turn_tells_of_a_held_out_conversation(seed: int) -> None:
    """The split is by question: a follow-up stays with its first turn."""
    splits = prepare_splits(SETTINGS.model_copy(update={"val_fraction": 0.3}), HSE, seed)
    held_out = {question_key(train_row) for train_row in (*splits.val, *(splits.hidden or ()))}
    for train_row in splits.train:
        questions = {
            question_key(train_row),
            *(question_key(_asks(turn)) for turn in train_row.history),
        }
        assert not questions & held_out
    assert not any(train_row.history for train_row in splits.val)


def _asks(turn: Turn) -> Row:
    return Row(id="", question=turn.question)


def test_the_demos_logs_round_trip(tmp_path: Path) -> None:
    """Of 101 follow-ups 86 become rows; 9 have no question, 3 follow a stub, 3 leak.

    All rows are written and read back; data.follow_ups: false leaves only the other rows.
    """
    quality = prepare_data(LAKESIDE, ROOT, tmp_path, seed=0)
    counts = quality.follow_ups
    assert counts is not None
    assert (counts.logged, counts.rows) == (101, 86)
    reasons = {why: len(ids) for why, ids in counts.unusable.items()}
    assert reasons == {"first_held_out": 3, "no_first_answer": 3, "no_question": 9}
    rows = list(read_records(tmp_path / "train.jsonl", Row))
    assert tuple(rows) == prepare_splits(LAKESIDE, ROOT, 0).train
    assert sum(bool(train_row.history) for train_row in rows) == 86 and len(
        {train_row.id for train_row in rows}
    ) == len(rows)
    assert DataQuality.model_validate_json((tmp_path / "quality.json").read_text()) == quality
    off = prepare_splits(LAKESIDE.model_copy(update={"follow_ups": False}), ROOT, 0)
    assert off.train == tuple(train_row for train_row in rows if not train_row.history)
    assert off.quality.follow_ups is None and off.val == prepare_splits(LAKESIDE, ROOT, 0).val
    assert quality.splits["train"].rows == len(rows) == 291
