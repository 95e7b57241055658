"""What a template writes between its generation prompt and an answer, and behind the answer."""

import re
from typing import NamedTuple

from config.errors import DataError
from prompts.chat_rendering import ChatRendering, Message
from prompts.control_tokens import ControlTokens
from prompts.reasoning import without_empty_reasoning

_ANSWER = "unprompted"
_USER: Message = {"role": "user", "content": "a"}
_CHAT: list[Message] = [_USER, {"role": "assistant", "content": _ANSWER}]


class AnswerFrame(NamedTuple):
    """The text around an answer, up to the token that ends its turn."""

    prompt: str  # the text in front of an answer to "a"
    before: str  # blanks in front of the answer: " " in [/INST] answer</s>
    after: str  # blanks between answer and end
    end: str  # the control token that ends the turn


def find_answer_frame(rendering: ChatRendering, control: ControlTokens) -> AnswerFrame:
    """The frame of an answer behind the generation prompt.

    Raises DataError when the template drops an answer, writes words or control tokens in front of
    it, or ends it with no control token.
    """
    prompt, chat = rendering.text([_USER]), rendering.text(_CHAT, generation=False)
    head, answer, tail = chat.rpartition(_ANSWER)
    if not head.startswith(prompt):  # some write the empty reasoning only where an answer begins
        prompt = without_empty_reasoning(prompt)
    before = head.removeprefix(prompt)
    if not answer or before.strip() or not head.startswith(prompt):
        raise DataError(
            f"{rendering.model}: its chat template writes {(head if answer else chat)[-40:]!r} in "
            f"front of an answer, but asks for one with {prompt[-40:]!r}; use another model"
        )
    end = _end(tail, control) or _end(_tail_before_next_turn(rendering), control)
    if end is None:
        raise DataError(
            f"{rendering.model}: its chat template ends an answer with no special token "
            f"({tail[:40]!r}), so an answer would never stop; use another model"
        )
    return AnswerFrame(prompt, before, *end)


def _tail_before_next_turn(rendering: ChatRendering) -> str:
    """What follows an answer within a chat: GLM ends it with the start of the next turn."""
    return rendering.text([*_CHAT, _USER], generation=False).rpartition(_ANSWER)[2]


def _end(tail: str, control: ControlTokens) -> tuple[str, str] | None:
    """The blanks behind an answer, and the first control token."""
    match = re.match(rf"(\s*)({control.pattern.pattern})", tail)
    return (match[1], match[2]) if match else None
