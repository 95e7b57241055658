"""Other people's text made harmless for a model: cleaned, and fenced with an id it cannot know.

The id is a hash of the fenced text itself, so no text can hold its own closing fence.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

_TOKENS = re.compile(
    r"<[|｜][^<>|｜]{0,64}[|｜]>"  # <|im_end|> and its kin, DeepSeek's full-width bars too
    r"|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>",
    re.IGNORECASE,
)
_LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029\x0b\x0c]")
_HIDDEN = frozenset(("Cf", "Cc", "Cs"))  # zero-width, bidi and tag characters; controls; surrogates


class FencedPart(NamedTuple):
    """A fenced text: what it is, the id of its fence, the cleaned text."""

    name: str
    id: str
    text: str

    def fenced(self) -> str:
        """The text between its fences. No template sees it."""
        return f"[begin {self.name} {self.id}]\n{self.text}\n[end {self.name} {self.id}]"


@lru_cache(maxsize=1024)  # a row's texts come again with every rule
def cleaned(text: str) -> str:
    """The judge's copy: no invisible characters, no tokens of any chat template."""
    seen = _LINE_ENDS.sub("\n", text)
    for sign in filter(_invisible, set(seen)):
        seen = seen.replace(sign, "")
    while "<" in seen or "[" in seen:  # what is left after one token goes may join up to another
        shorter = _TOKENS.sub("", seen)
        if shorter == seen:
            break
        seen = shorter
    return seen


@lru_cache(maxsize=4096)
def _invisible(sign: str) -> bool:
    return sign not in "\n\t" and (
        unicodedata.category(sign) in _HIDDEN
        or "\ufe00" <= sign <= "\ufe0f"  # variation selectors can carry a message
        or "\U000e0100" <= sign <= "\U000e01ef"
    )


def parts(texts: Mapping[str, str]) -> tuple[FencedPart, ...]:
    """The texts by name, cleaned, each with the id of its fence.

    The id of the question's fence depends on the question alone, so that a server can reuse the
    prefix for all arms; an answer that guesses it only makes it change.
    """
    plain = {name: cleaned(text) for name, text in texts.items()}
    found = []
    for name, text in plain.items():
        identity = _identity(name, text)
        while any(identity in other for other in plain.values()):
            identity = _identity(name, identity)
        found.append(FencedPart(name, identity, text))
    return tuple(found)


@lru_cache(maxsize=1024)
def _identity(name: str, text: str) -> str:
    return hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()[:16]
