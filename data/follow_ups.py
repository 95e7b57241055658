"""Second turns: a train row with a follow-up gives a row of its own for it, with the history.

The history is the first question, its passages and the production system's answer: the one that
the user saw and replied to. Where that was a stub, the second turn is not used: behind another
system's answer it would be a conversation that nobody had. Nobody labelled second turns either, so
their rows are unlabelled; in val every rule that reads labels would be missing on them, and with it
their strict score. That is why only train has them.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from data.records import Record
from data.rows import PRODUCTION, Context, Row, Turn, normalised
from data.splits import question_key

Unusable = Literal[
    "no_question",  # only an answer or passages were logged
    "other_question",  # the logged text begins with another first question than the row's
    "no_words",  # not one word of two letters
    "no_first_answer",  # the first answer was a stub or empty
    "first_held_out",  # val or hidden asks the first question
    "held_out",  # val or hidden asks the second one
    "repeated",  # the same conversation stands in an earlier row
]


class SecondTurns(Record):
    """What became of the follow-ups of the train rows."""

    found: int  # rows with a follow-up that cleaning left, leaks and duplicates included
    made: int
    not_made: dict[Unusable, tuple[str, ...]]  # why → ids of the rows


class Second(NamedTuple):
    """The rows of second turns, and what became of the others."""

    rows: tuple[Row, ...]
    counts: SecondTurns


def second_turns(rows: Sequence[Row], held: Collection[str], joined: bool) -> Second:
    """The second turns of the cleaned train rows, repeated ones and those that leak included.

    held: question keys of val and hidden. joined: the logs put the first question in front of the
    second. A second turn whose first question is held out is not made: it would tell of it.
    """
    made: dict[tuple[object, ...], Row] = {}
    refused: dict[Unusable, list[str]] = defaultdict(list)
    for row in rows:
        if row.followup is None:
            continue
        found = _second(row, held, joined)
        if not isinstance(found, Row):
            refused[found].append(row.id)
        elif said(found) in made:
            refused["repeated"].append(row.id)
        else:
            made[said(found)] = found
    counts = SecondTurns(
        found=sum(row.followup is not None for row in rows),
        made=len(made),
        not_made={why: tuple(ids) for why, ids in sorted(refused.items())},
    )
    return Second(tuple(made.values()), counts)


def said(row: Row) -> tuple[object, ...]:
    """What the model would be shown of a row, tags aside: equal means the same conversation."""
    history = tuple(
        (normalised(turn.question), turn.answer, _texts(turn.contexts)) for turn in row.history
    )
    return question_key(row), _texts(row.contexts), history


def _texts(contexts: Sequence[Context]) -> tuple[str, ...]:
    return tuple(context.text for context in contexts)


def _second(row: Row, held: Collection[str], joined: bool) -> Row | Unusable:
    why = _unusable(row, joined)
    if why is not None:
        return why
    turn, answer = row.followup, row.answers[PRODUCTION]
    assert turn is not None and turn.question is not None  # or it would not be usable
    second = Row(
        id=f"{row.id}/2",
        question=turn.question.removeprefix(row.question if joined else "").strip(),
        contexts=turn.contexts,
        tags=row.tags,
        answers={} if turn.answer is None else {PRODUCTION: turn.answer},
        origin=row.origin,
        history=(Turn(question=row.question, answer=answer, contexts=row.contexts),),
    )
    if question_key(row) in held:
        return "first_held_out"
    return "held_out" if question_key(second) in held else second


def _unusable(row: Row, joined: bool) -> Unusable | None:
    """What the follow-up itself lacks; None when it is a second turn with all that it needs."""
    question = row.followup.question if row.followup else None
    if question is None:
        return "no_question"
    if joined and not question.startswith(row.question):
        return "other_question"
    asked = normalised(question.removeprefix(row.question if joined else ""))
    if not any(len(word) > 1 for word in asked.split()):
        return "no_words"
    return None if PRODUCTION in row.answers else "no_first_answer"
