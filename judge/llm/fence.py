"""Cleans untrusted text and fences it with an id that the text cannot contain.

The id is a hash of the fenced text itself, so no text can hold its own closing fence.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_CHAT_TOKEN = (
    r"(?:<[|｜][^<>|｜]{0,64}[|｜]>"  # <|im_end|> and the like, DeepSeek's full-width bars included
    r"|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>)"
)
_FIRST_TOKEN = re.compile(_CHAT_TOKEN, re.IGNORECASE)
_LAST_TOKEN = re.compile(rf"{_CHAT_TOKEN}\Z", re.IGNORECASE)
_LONGEST_TOKEN = 68  # characters
_TOKEN_ENDS = re.compile(r"[>\]]")
_LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029\x0b\x0c]")
_HIDDEN = frozenset(("Cf", "Cc", "Cs"))  # zero-width, bidi and tag characters; controls; surrogates


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
    for character in filter(_is_invisible, set(text)):
        text = text.replace(character, "")
    return _without_tokens(text) if _FIRST_TOKEN.search(text) else text


def _without_tokens(text: str) -> str:
    """Removes the tokens from left to right, and those that removing one joins.

    A stack of characters, so that the time grows with the length of the text and not with the depth
    to which tokens are nested.
    """
    shown: list[str] = []
    start = 0
    for match in _TOKEN_ENDS.finditer(text):
        shown += text[start : match.end()]
        start = match.end()
        token = _LAST_TOKEN.search("".join(shown[-_LONGEST_TOKEN:]))
        if token:
            del shown[-len(token[0]) :]
    return "".join(shown) + text[start:]


@lru_cache(maxsize=4096)
def _is_invisible(character: str) -> bool:
    return character not in "\n\t" and (
        unicodedata.category(character) in _HIDDEN
        or "\ufe00" <= character <= "\ufe0f"  # variation selectors can carry a message
        or "\U000e0100" <= character <= "\U000e01ef"
    )


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
