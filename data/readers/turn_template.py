"""The prompt file's `user_template` in reverse: a logged user turn → its question and passages."""

import re
from typing import NamedTuple

from data.readers.cells import Malformed
from data.readers.passages import cell_contexts
from data.rows import Context
from data.visible_text import has_visible_text

_SLOT = re.compile(r"\{(question|summaries|contexts|context)\}")
_NUMBERED = re.compile(r"^Content (\d+): ", re.MULTILINE)  # as prompts/ writes passages


class PromptText(NamedTuple):
    """What logged requests of a prompt contain beside the row."""

    system: str
    user_template: str
    tags: tuple[str, ...] = ()  # written in front of the template, a line each
    examples: tuple[tuple[str, str], ...] = ()  # user and assistant turns


class SplitTurn(NamedTuple):
    """A user turn without the prompt's template around it."""

    question: str
    contexts: tuple[Context, ...]


class TurnTemplate:
    """A `user_template` that can be matched against user turns."""

    def __init__(self, prompt: PromptText) -> None:
        self._tags = prompt.tags
        parts = _SLOT.split(_plain(prompt.user_template))
        self._texts, self._slots = parts[::2], parts[1::2]

    @property
    def can_split(self) -> bool:
        """Whether the question can be told from the passages: text stands between the two."""
        is_pair = len(self._slots) == 2 and self._slots.count("question") == 1
        return self._slots == ["question"] or (is_pair and bool(self._texts[1].strip()))

    def split(self, turn: str) -> SplitTurn | None:
        """Question and passages of a user turn; None where the template does not match it."""
        if not self.can_split:
            return None
        text = self._without_tags(_plain(turn))
        start, end = self._texts[0].lstrip(), self._texts[-1].rstrip()
        text = text.strip() if not start or not end else text
        text = text.lstrip() if start else text
        text = text.rstrip() if end else text
        if not text.startswith(start) or not text.endswith(end) or len(text) < len(start + end):
            return None
        return self._split_body(text[len(start) : len(text) - len(end)])

    def _split_body(self, body: str) -> SplitTurn | None:
        if len(self._slots) == 1:
            return SplitTurn(body, ()) if has_visible_text(body) else None
        between = self._texts[1]
        is_first = self._slots[0] == "question"
        # a passage may contain the text between the slots, a question hardly does
        at = body.find(between) if is_first else body.rfind(between)
        if at < 0:
            body, at = _without_passages(body, between, is_first)
        if at < 0:
            return None
        left, right = body[:at], body[at + len(between) :]
        question, passages = (left, right) if is_first else (right, left)
        if not has_visible_text(question):
            return None
        return SplitTurn(question.strip(), _passages(passages))

    def _without_tags(self, text: str) -> str:
        for tag in self._tags:
            line, sign, rest = text.partition("\n")
            if sign and line.startswith(f"{tag}: "):
                text = rest
        return text


def _without_passages(body: str, between: str, is_first: bool) -> tuple[str, int]:
    """A body whose passages are empty, so that white space beside the slot may be gone."""
    text, mark = body.strip(), between.strip()
    if is_first and text.endswith(mark):
        question = text[: len(text) - len(mark)]
        return question + between, len(question)
    if not is_first and text.startswith(mark):
        return between + text[len(mark) :], 0
    return body, -1


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _passages(text: str) -> tuple[Context, ...]:
    """Passages numbered as `Content 1: `, a list as JSON, or one passage."""
    marks = list(_NUMBERED.finditer(text))
    numbers = [int(mark[1]) for mark in marks]
    if marks and not text[: marks[0].start()].strip() and numbers == list(range(1, len(marks) + 1)):
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        texts = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
        parts = [part.removesuffix("\n") for part in texts]
        return tuple(Context(text=part) for part in parts if part.strip())
    try:
        return cell_contexts(text.strip(), "passages")
    except Malformed:
        return (Context(text=text.strip()),)
