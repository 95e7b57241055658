"""The probability of pass against fail at the place of a verdict, by the tokens of a reply."""

import re
from collections.abc import Sequence
from math import exp

from wire.completion import TokenLogprobs

_WORDS = ("pass", "fail")
_SPECIAL = re.compile(r"<[^<>\s]*>")  # </s>, <|im_end|>, or a tag around the verdict
_LETTER = re.compile(r"[^\W_]")
_NO_LETTERS = re.compile(r"^[\W_]+")


def pass_probability(verdict: str, tokens: Sequence[TokenLogprobs]) -> float | None:
    """P(pass) / (P(pass) + P(fail)) where the last word of the reply, its verdict, begins.

    None for another verdict, and where the tokens do not end with it. Each word may have several
    tokens: with a capital, behind a space, or only its beginning. A word that is not among the
    server's most probable tokens counts as probable as the least of them, at most.
    """
    top = _at_verdict(verdict, tokens) if verdict in _WORDS else ()
    chances = [exp(logprob) for _, logprob in top]
    of_word = dict.fromkeys(_WORDS, 0.0)
    for (token, _), chance in zip(top, chances, strict=True):
        beginning = _NO_LETTERS.sub("", token).casefold().rstrip("\"'*_`.}")
        for word in _WORDS:
            if beginning and word.startswith(beginning):
                of_word[word] += chance
    if not any(of_word.values()):
        return None
    unlisted = max(0.0, min(1 - sum(chances), min(chances)))
    passing, failing = (of_word[word] or unlisted for word in _WORDS)
    return passing / (passing + failing)


def _at_verdict(verdict: str, tokens: Sequence[TokenLogprobs]) -> Sequence[tuple[str, float]]:
    """The most probable tokens where the last word of the reply begins, if that is the verdict."""
    text = "".join(token.token for token in tokens)
    words = list(re.finditer(rf"(?<![^\W_]){verdict}(?![^\W_])", text, re.IGNORECASE))
    if not words or _LETTER.search(_SPECIAL.sub("", text[words[-1].end() :])):
        return ()
    place = 0
    for token in tokens:
        place += len(token.token)
        if place > words[-1].start():
            return token.top
    return ()
