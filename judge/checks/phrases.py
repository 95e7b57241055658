"""Whether an answer says a fixed phrase, whatever its markup, quotes and typing."""

import re
from functools import lru_cache

from judge.checks.text import fold
from prompts.check_settings import Phrase

_MARKUP = re.compile(r"[*`~]+|(?<!\w)[\"_]+|[\"_]+(?!\w)")
_BEFORE_MARK = re.compile(r"\s+(?=[:;,.!?])")
_LINE_START = re.compile(r"(?:[>#+•·-]+\s*|\d{1,3}[.)]\s+)+")  # of a list, a quote, a heading
_FULL_WIDTH = str.maketrans({"：": ":", "？": "?", "！": "!", "，": ",", "；": ";", "…": "..."})
_WORD = re.compile(r"[^\W_]+")


@lru_cache(maxsize=64)  # an answer is compared with the phrases of several rules
def phrase_form(text: str) -> str:
    """The text as phrases are compared.

    Folded, without markup, quotes and marks of a line's start; no blank before a punctuation mark.
    """
    plain = _MARKUP.sub("", fold(text)).translate(_FULL_WIDTH)
    plain = _BEFORE_MARK.sub("", " ".join(plain.split()))
    start = _LINE_START.match(plain)
    return plain[start.end() :] if start else plain


def says(check: Phrase, answer: str) -> bool:
    """Whether the answer passes the check.

    A phrase begins and ends where words do. At the end of an answer it is a sentence of its own. A
    whole answer may have a comma more or less.
    """
    text, phrase = phrase_form(answer), phrase_form(check.text)
    if check.type == "equals":
        return text.replace(",", "") == phrase.replace(",", "")
    if check.type == "starts_with":
        return text.startswith(phrase) and _is_border(text, len(phrase))
    if check.type == "ends_with":
        start = len(text) - len(phrase)
        return text.endswith(phrase) and _is_border(text, start) and _begins(check.text, answer)
    return contains(text, phrase)


def contains(text: str, phrase: str) -> bool:
    """Whether a text contains a phrase as whole words, both as `phrase_form`."""
    start = text.find(phrase)
    while start >= 0:
        if _is_border(text, start) and _is_border(text, start + len(phrase)):
            return True
        start = text.find(phrase, start + 1)
    return False


def _is_border(text: str, place: int) -> bool:
    """Whether no word goes on over this place."""
    around = text[max(0, place - 1) : place + 1]
    return not (len(around) == 2 and around.isalnum())


def _begins(phrase: str, answer: str) -> bool:
    """Whether the phrase at the end of the answer begins a sentence there, or a part of one."""
    if not phrase.lstrip("\"'«“*_ ")[:1].isupper():
        return True
    count = len(_WORD.findall(phrase))
    starts = [match.start() for match in _WORD.finditer(answer)][-count:]
    if len(starts) < count or answer[starts[0]].isupper():
        return True
    before = answer[: starts[0]].rstrip("\"'«“‘`*_> \t")
    return not before or before[-1] == "\n" or not before[-1].isalnum()
