"""Other people's text made harmless for a model: cleaned, and fenced with an id it cannot know.

The id is a hash of the fenced text itself, so no text can hold its own closing fence.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from data.records import digest

_TOKENS = re.compile(
    r"<[|｜][^<>|｜]{0,64}[|｜]>"  # <|im_end|> and its kin, DeepSeek's full-width bars too
    r"|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>",
    re.IGNORECASE,
)
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # invisible, can carry a message
_LINE_ENDS = re.compile("\r\n|[\r\u0085\u2028\u2029\x0b\x0c]")
_HIDDEN = frozenset(("Cf", "Cc", "Cs"))  # zero-width, bidi and tag characters; controls; surrogates


class Part(NamedTuple):
    """A fenced text: what it is, the id of its fence, the cleaned text."""

    name: str
    id: str
    text: str


def cleaned(text: str) -> str:
    """The judge's copy: no invisible characters, no tokens of any chat template."""
    lines = _SELECTORS.sub("", _LINE_ENDS.sub("\n", text))
    seen = "".join(
        sign for sign in lines if sign in "\n\t" or unicodedata.category(sign) not in _HIDDEN
    )
    while True:  # what is left after one token goes may join up to another
        shorter = _TOKENS.sub("", seen)
        if shorter == seen:
            return seen
        seen = shorter


def parts(texts: Mapping[str, str]) -> tuple[Part, ...]:
    """The texts by name, cleaned, each with the id of its fence.

    The id of the question's fence depends on the question alone, so that a server can reuse the
    prefix for all arms; an answer that guesses it only makes it change.
    """
    plain = {name: cleaned(text) for name, text in texts.items()}
    found = []
    for name, text in plain.items():
        identity = digest([name, text])[:16]
        while any(identity in other for other in plain.values()):
            identity = digest(identity)[:16]
        found.append(Part(name, identity, text))
    return tuple(found)
