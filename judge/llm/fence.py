"""Cleans untrusted text and fences it with an id that the text cannot contain.

The id is a hash of the fenced text itself, so no text can hold its own closing fence.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from data.visible_text import is_blank_letter
from judge.llm.chat_tokens import without_chat_tokens

_LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029\x0b\x0c]")


class FencedPart(NamedTuple):
    """A cleaned text with its name and the id of its fence."""

    name: str
    id: str
    text: str

    def fenced(self) -> str:
        """The text between its fences. It is never parsed as a template."""
        return f"[begin {self.name} {self.id}]\n{self.text}\n[end {self.name} {self.id}]"


@lru_cache(maxsize=1024)  # a row's texts recur with every rule
def cleaned(text: str) -> str:
    """The text without invisible characters and without special tokens of chat templates."""
    text = _LINE_ENDS.sub("\n", text)
    for character in filter(is_blank_letter, set(text)):
        text = text.replace(character, "")
    return without_chat_tokens(text)


def fenced_parts(texts: Mapping[str, str]) -> tuple[FencedPart, ...]:
    """The texts by name, cleaned, each with the id of its fence.

    The id of the question's fence depends on the question alone, so that a server can reuse the
    prefix for all arms; an answer that guesses the id only changes it.
    """
    clean_texts = {name: cleaned(text) for name, text in texts.items()}
    parts = []
    for name, text in clean_texts.items():
        identity = _identity(name, text)
        while any(identity in other for other in clean_texts.values()):
            identity = _identity(name, identity)
        parts.append(FencedPart(name, identity, text))
    return tuple(parts)


@lru_cache(maxsize=1024)
def _identity(name: str, text: str) -> str:
    return hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()[:16]
