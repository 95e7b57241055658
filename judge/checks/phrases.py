"""Whether an answer says a fixed phrase, whatever its markup, quotes and typing."""

import re
from functools import lru_cache

from data.sentences import sentences
from judge.checks.text import fold
from prompts.check_settings import Phrase

_MARKUP = re.compile(r"[*`~]+|(?<!\w)[\"_]+|[\"_]+(?!\w)")
_BEFORE_MARK = re.compile(r"\s+(?=[:;,.!?])")
_LINE_START = re.compile(r"(?:[>#+•·-]+\s*|\d{1,3}[.)]\s+)+")  # of a list, a quote, a heading
_FULL_WIDTH = str.maketrans({"：": ":", "？": "?", "！": "!", "，": ",", "；": ";", "…": "..."})
_WORD = re.compile(r"[^\W_]+")
# A closing offer: "If you have questions, please specify them", "Пожалуйста, уточните, если …".
# Where a condition stands in front, nothing that is asked for stands behind.
_CONDITION = re.compile(r"\b(?:если|коли|в случае|при необходимости|if|should you|in case)\b")
_NOTHING_ASKED = re.compile(
    r"(?:[^\w?]|\b(?:их|его|ее|это|мне|нам|у нас|об этом|пожалуйста"
    r"|them|it|this|me|us|know|please)\b)*"
)
_CONDITION_BEHIND = re.compile(
    r"[\W_]*(?:(?:их|это|мне|нам|them|it|me|us|know)\b[\W_]*)*"
    r"(?:(?:если|в случае|при необходимости|should you|in case)\b"
    r"|if\b.*\b(?:questions?|anything|help|assistance|more|further|details)\b)"
)


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
    whole answer may have a comma more or less. A closing offer asks for nothing.
    """
    text, phrase = phrase_form(answer), phrase_form(check.text)
    if check.type == "asks":
        asking = map(phrase_form, sentences(answer))
        return any(contains(part, phrase) and not _is_offer(part, phrase) for part in asking)
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


def _is_offer(sentence: str, phrase: str) -> bool:
    """Whether a sentence offers more help with the phrase, and asks for nothing."""
    before, _, behind = sentence.partition(phrase)
    if _CONDITION_BEHIND.match(behind):
        return True
    return bool(_CONDITION.search(before) and _NOTHING_ASKED.fullmatch(behind))


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
