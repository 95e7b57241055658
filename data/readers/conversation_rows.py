"""Conversations → rows: each answered user turn is a row, with the earlier turns as its history.

The system prompt is taken out, and the prompt file's template around a user turn is split off. A
conversation is used up to its first turn that a row cannot show.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from data.readers.cells import Malformed, checked_text
from data.readers.conversation import ChatTurn, Conversation, Unsupported
from data.readers.turn_template import PromptText, SplitTurn, TurnTemplate
from data.rows import PRODUCTION, Context, Row, Turn
from data.visible_text import has_visible_text

REJECTED = "rejected"  # the answering system of an answer that people liked less
_GREETING = "an assistant's message before the first question"
_WEIGHT_0 = "an answer with weight 0"


class ConversationRows(NamedTuple):
    """The rows of one conversation."""

    rows: tuple[Row, ...]
    system: str | None  # the system prompt in front of them
    problem: Malformed | None  # why the conversation was not used from some turn on
    left_out: tuple[str, ...]  # what rows have no place for
    matched: int  # rows whose user turn matched the template


class RowBuilder:
    """Builds the rows of conversations that belong to one prompt, if it is known."""

    def __init__(self, prompt: PromptText | None) -> None:
        self._prompt = prompt
        self._template = None if prompt is None else TurnTemplate(prompt)

    def rows(self, conversation: Conversation, identity: str, origin: str) -> ConversationRows:
        """The rows of a conversation. Raises Malformed when it has no question."""
        system, turns = _without_system(conversation.turns)
        turns = _merged(turns)
        left_out: tuple[str, ...] = ()
        if turns and turns[0].role == "assistant" and not turns[0].problem:
            turns, left_out = turns[1:], (_GREETING,)
        if not turns:
            raise Malformed("no user turn")
        system, turns = self._without_prompt(system, turns)
        left_out += (_WEIGHT_0,) * sum(not turn.is_example for turn in turns)
        rows, problem, matched = self._exchanges(conversation, turns, identity, origin)
        if not rows and problem is not None:
            raise problem
        return ConversationRows(tuple(rows), system, problem, left_out, matched)

    def _without_prompt(
        self, system: str | None, turns: Sequence[ChatTurn]
    ) -> tuple[str | None, Sequence[ChatTurn]]:
        """Without the prompt in front of the first user turn, and without its worked examples."""
        if self._prompt is None:
            return system, turns
        first = turns[0]
        if system is None and first.text.startswith(self._prompt.system) and self._prompt.system:
            text = first.text.removeprefix(self._prompt.system).lstrip()
            system, turns = self._prompt.system, (first._replace(text=text), *turns[1:])
        for user, answer in self._prompt.examples:
            shown = [turn.text.strip() for turn in turns[:2]]
            if len(turns) > 2 and shown == [user.strip(), answer.strip()]:
                turns = turns[2:]
        return system, turns

    def _exchanges(
        self, conversation: Conversation, turns: Sequence[ChatTurn], identity: str, origin: str
    ) -> tuple[list[Row], Malformed | None, int]:
        """The rows, why there are no more of them, and how many match the template."""
        rows, history, matched = list[Row](), list[Turn](), 0
        count = (len(turns) + 1) // 2
        for number in range(1, count + 1):
            pair = turns[2 * number - 2 : 2 * number]
            is_last = number == count
            row_id = identity if number == 1 or conversation.is_call else f"{identity}/{number}"
            try:
                answer = _answer(pair, number, is_last)
                split, is_match = self._split(
                    pair[0].text, number, conversation.contexts if is_last else ()
                )
                row = _row(row_id, split, answer, origin, history)
                row = _with_rejected(row, conversation.rejected if is_last else None)
            except Malformed as error:
                return rows, error, matched
            if _is_row(pair, is_last, conversation):
                rows.append(row)
                matched += is_match
            if answer is not None:
                history.append(_turn(split, answer))
        return rows, None, matched

    def _split(
        self, text: str, number: int, contexts: tuple[Context, ...]
    ) -> tuple[SplitTurn, bool]:
        text = checked_text(text, f"user turn {number}")
        if not has_visible_text(text):
            raise Malformed(f"user turn {number}: blank")
        split = None if self._template is None else self._template.split(text)
        if split is None:
            return SplitTurn(text, contexts), False
        return SplitTurn(split.question, split.contexts or contexts), True


def _is_row(pair: Sequence[ChatTurn], is_last: bool, conversation: Conversation) -> bool:
    """Whether an exchange is a row: the last one of a call, the ones to learn from of others."""
    if conversation.is_call:
        return is_last
    return len(pair) < 2 or pair[1].is_example


def _row(
    identity: str, split: SplitTurn, answer: str | None, origin: str, history: Sequence[Turn]
) -> Row:
    return Row(
        id=identity,
        question=split.question,
        contexts=split.contexts,
        answers={} if answer is None else {PRODUCTION: answer},
        origin=origin,
        history=tuple(history),
    )


def _turn(split: SplitTurn, answer: str) -> Turn:
    return Turn(question=split.question, answer=answer, contexts=split.contexts)


def _with_rejected(row: Row, rejected: str | None) -> Row:
    """The row with the answer that people liked less. Raises Malformed as `checked_text` does."""
    if rejected is None or not has_visible_text(rejected):
        return row
    text = checked_text(rejected, "rejected answer")
    return row.model_copy(update={"answers": {**row.answers, REJECTED: text}})


def _without_system(turns: Sequence[ChatTurn]) -> tuple[str | None, Sequence[ChatTurn]]:
    """The system prompt, of all system turns in front of the others, and the others."""
    count = next((at for at, turn in enumerate(turns) if turn.role != "system"), len(turns))
    for turn in turns[:count]:
        if turn.problem:
            raise Unsupported(f"system prompt: {turn.problem}")
    texts = [turn.text for turn in turns[:count] if has_visible_text(turn.text)]
    system = checked_text("\n\n".join(texts), "system prompt") if texts else None
    return system, turns[count:]


def _merged(turns: Sequence[ChatTurn]) -> Sequence[ChatTurn]:
    """Neighbours of one role as one turn, such as two messages that a user sent at once."""
    merged = []
    for role, group in groupby(turns, key=lambda turn: turn.role):
        parts = list(group)
        merged.append(
            ChatTurn(
                role,
                "\n".join(part.text for part in parts if part.text),
                next((part.problem for part in parts if part.problem), None),
                any(part.is_example for part in parts),
            )
        )
    return merged


def _answer(pair: Sequence[ChatTurn], number: int, is_last: bool) -> str | None:
    """The answer of an exchange; None without one. Raises Malformed, Unsupported."""
    for turn, role in zip(pair, ("user", "assistant"), strict=False):
        if turn.problem:
            raise Unsupported(turn.problem)
        if turn.role == "system":
            raise Unsupported("a system message inside the conversation")
        if turn.role != role:
            raise Malformed(f"exchange {number}: expected a {role} turn, found {turn.role}")
    text = checked_text(pair[1].text, f"answer {number}") if len(pair) == 2 else ""
    if has_visible_text(text):
        return text
    if not is_last:
        raise Malformed(f"exchange {number}: the answer is empty, and the user goes on")
    return None
