"""Follow-up rows: the second turn of a train row becomes a row of its own, with its history.

The history is the first question, its passages and the production system's answer, which the user
saw and replied to. If that answer was a stub, the follow-up is not used: with another system's
answer it would be a conversation that never took place. Only train gets follow-up rows: they are
unlabelled, so in val every rule that reads labels, and the strict score, would be missing on them.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal

from data.records import Record, digest
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


class FollowUps:
    """Turns the follow-ups of cleaned train rows into rows, and counts those that it cannot use.

    Rows that leak or repeat have usable follow-ups, too.
    """

    def __init__(self, held_out: Collection[str], joined: bool) -> None:
        """held_out: question keys of val and hidden. A follow-up whose first question is held out
        is not used: its history would leak it. joined: logs put the first question before the
        second.
        """
        self._held_out, self._joined = held_out, joined
        self._logged = 0
        self._shown: set[str] = set()  # digests of the conversations
        self._unusable: dict[Unusable, list[str]] = defaultdict(list)

    def follow_up_row(self, row: Row) -> Row | None:
        """The row of this row's second turn; None when it has none that can be used."""
        if row.follow_up is None:
            return None
        self._logged += 1
        follow_up = _follow_up_row(row, self._held_out, self._joined)
        if not isinstance(follow_up, Row):
            self._unusable[follow_up].append(row.id)
            return None
        conversation = digest(conversation_key(follow_up))
        if conversation in self._shown:
            self._unusable["repeated"].append(row.id)
            return None
        self._shown.add(conversation)
        return follow_up

    def counts(self) -> FollowUpCounts:
        """The counts of all rows until now."""
        return FollowUpCounts(
            logged=self._logged,
            rows=len(self._shown),
            unusable={reason: tuple(ids) for reason, ids in sorted(self._unusable.items())},
        )


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
