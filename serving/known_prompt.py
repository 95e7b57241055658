"""Finds a run's system prompt at the start of a chat, takes it out, or puts it in.

Two texts are the same where they differ in white space or in the Unicode form of a letter alone.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from config.generation import SystemRole
from prompts.chat_rendering import Message

RequestTurn = dict[str, Any]  # of a request: role and content, which may be a list of parts

_WORD = re.compile(r"\S+")
_SYSTEM_ROLES = ("system", "developer")  # two words of clients for the same turn


class PromptTokens(NamedTuple):
    """The length of a prompt in a chat, in tokens of the model."""

    system: int  # of the system prompt alone
    whole: int  # with its worked examples


class ShorterChat(NamedTuple):
    """A chat without the prompt that it began with."""

    messages: list[RequestTurn]
    tokens_saved: int


@dataclass(frozen=True)
class KnownPrompt:
    """System prompt and worked examples, which stand in front of each question."""

    system: str
    examples: Sequence[Message]  # their turns
    role: SystemRole  # system: a turn of its own; first_user: the start of the first user turn
    tokens: PromptTokens

    def leave_out(self, messages: Sequence[RequestTurn]) -> ShorterChat | None:
        """The chat without the prompt; None where it does not begin with it.

        The system prompt alone is left out where no worked examples follow. A message stays.
        """
        rest = self._without_system(messages)
        if not rest:
            return None
        if len(rest) > len(self.examples) and all(map(_is_same, rest, self.examples)):
            return ShorterChat(rest[len(self.examples) :], self.tokens.whole)
        return ShorterChat(rest, self.tokens.system)

    def put_in(self, messages: Sequence[RequestTurn]) -> list[RequestTurn]:
        """The chat behind the whole prompt."""
        chat: list[RequestTurn] = [*self.examples, *messages]
        if self.role == "system":
            return [{"role": "system", "content": self.system}, *chat]
        if not _has_role(chat[0], "user"):
            return list(messages)  # no chat; the server says what is wrong
        content, front = chat[0].get("content"), f"{self.system}\n\n"
        if isinstance(content, list):
            content = [{"type": "text", "text": front}, *content]
        else:
            content = f"{front}{content or ''}"
        return [{**chat[0], "content": content}, *chat[1:]]

    def _without_system(self, messages: Sequence[RequestTurn]) -> list[RequestTurn]:
        """What follows the system prompt; empty where the chat does not begin with it."""
        if self.role == "system":
            turn = {"role": "system", "content": self.system}
            return list(messages[1:]) if messages and _is_same(messages[0], turn) else []
        first = messages[0] if messages else {}
        if not _has_role(first, "user") or not isinstance(first["content"], str):
            return []
        words = _normal(self.system).split()
        in_turn = list(islice(_WORD.finditer(first["content"]), len(words) + 1))
        if [_normal(word[0]) for word in in_turn[:-1]] != words:
            return []
        question = first["content"][in_turn[-1].start() :]
        return [{**first, "content": question}, *messages[1:]]


def _is_same(message: Any, turn: Message) -> bool:
    return _has_role(message, turn["role"]) and _text(message) == _normal(turn["content"])


def _has_role(message: Any, role: str) -> bool:
    if not isinstance(message, dict) or "content" not in message:
        return False
    roles = _SYSTEM_ROLES if role == "system" else (role,)
    return message.get("role") in roles


def _text(message: RequestTurn) -> str | None:
    """The text of a message in its normal form; None where it has other parts, such as images."""
    content = message.get("content")
    if isinstance(content, str):
        return _normal(content)
    if not isinstance(content, list):
        return None
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    if not all(isinstance(text, str) for text in texts):
        return None
    return _normal("".join(filter(None, texts)))


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
