"""Follow-up rows: the second turn of a train row becomes a row of its own, with its history.

The history is the first question, its passages and the production system's answer, which the user
saw and replied to. If that answer was a stub, the follow-up is not used: with another system's
answer it would be a conversation that never took place. Only train gets follow-up rows: they are
unlabelled, so in val every rule that reads labels, and the strict score, would be missing on them.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from data.records import Record
from data.rows import PRODUCTION, Context, Row, Turn, normalise_question, question_key
from data.words import is_character

Unusable = Literal[
    "no_question",  # only an answer or passages were logged
    "other_question",  # the logged text begins with another first question than the row's
    "no_words",  # not one word of two letters, or character of a script without spaces
    "no_first_answer",  # the first answer was a stub or empty
    "first_held_out",  # the first question occurs in val or hidden
    "held_out",  # the second question occurs in val or hidden
    "repeated",  # an earlier row is the same conversation
]


class FollowUpCounts(Record):
    """How many follow-ups of the train rows became rows."""

    logged: int  # after cleaning; of rows that leak or repeat, too
    rows: int
    unusable: dict[Unusable, tuple[str, ...]]  # reason → row ids


class FollowUpRows(NamedTuple):
    """The rows of second turns, and the counts."""

    rows: tuple[Row, ...]
    counts: FollowUpCounts


def follow_up_rows(train: Sequence[Row], held_out: Collection[str], joined: bool) -> FollowUpRows:
    """The follow-ups of the cleaned train rows, also of rows that leak or repeat.

    held_out: question keys of val and hidden. A follow-up whose first question is held out is not
    used: its history would leak it. joined: logs put the first question before the second.
    """
    rows: dict[tuple[object, ...], Row] = {}
    unusable: dict[Unusable, list[str]] = defaultdict(list)
    for row in train:
        if row.follow_up is None:
            continue
        follow_up = _follow_up_row(row, held_out, joined)
        if not isinstance(follow_up, Row):
            unusable[follow_up].append(row.id)
        elif conversation_key(follow_up) in rows:
            unusable["repeated"].append(row.id)
        else:
            rows[conversation_key(follow_up)] = follow_up
    counts = FollowUpCounts(
        logged=sum(row.follow_up is not None for row in train),
        rows=len(rows),
        unusable={reason: tuple(ids) for reason, ids in sorted(unusable.items())},
    )
    return FollowUpRows(tuple(rows.values()), counts)


def conversation_key(row: Row) -> tuple[object, ...]:
    """Equal for rows that show the model the same conversation, tags aside."""
    history = tuple(
        (normalise_question(turn.question), turn.answer, _texts(turn.contexts))
        for turn in row.history
    )
    return question_key(row), _texts(row.contexts), history


def _texts(contexts: Sequence[Context]) -> tuple[str, ...]:
    return tuple(context.text for context in contexts)


def _follow_up_row(row: Row, held_out: Collection[str], joined: bool) -> Row | Unusable:
    reason = _unusable_reason(row, joined)
    if reason is not None:
        return reason
    turn, answer = row.follow_up, row.answers[PRODUCTION]
    assert turn is not None and turn.question is not None  # checked by _unusable_reason
    follow_up = Row(
        id=f"{row.id}/2",
        question=turn.question.removeprefix(row.question if joined else "").strip(),
        contexts=turn.contexts,
        tags=row.tags,
        answers={} if turn.answer is None else {PRODUCTION: turn.answer},
        origin=row.origin,
        history=(Turn(question=row.question, answer=answer, contexts=row.contexts),),
    )
    if question_key(row) in held_out:
        return "first_held_out"
    return "held_out" if question_key(follow_up) in held_out else follow_up


def _unusable_reason(row: Row, joined: bool) -> Unusable | None:
    question = row.follow_up.question if row.follow_up else None
    if question is None:
        return "no_question"
    if joined and not question.startswith(row.question):
        return "other_question"
    words = normalise_question(question.removeprefix(row.question if joined else "")).split()
    if not any(len(word) > 1 or is_character(word) for word in words):
        return "no_words"
    return None if PRODUCTION in row.answers else "no_first_answer"
