"""Limits of an answer's length, as prompts state them."""

import re
from collections.abc import Iterator
from typing import Any

from judge.checks.number_words import in_digits
from judge.drafting.template_check import Severity, TemplateCheck

_RANGE = r"(?:\d+\s*(?:-|–|—|to|or|до|или)\s*)?(?P<{name}>\d+)"
_UNIT = (
    r"(?:[^\W\d]+\s+){{0,2}}?(?P<{name}>words?|sentences?|characters?|symbols|слов\w*|предложени\w*"
    r"|символ\w*|знак\w*)"
)
_LIMIT = re.compile(
    r"\b(?P<limit>at most|be|use|write|(?:no|not|never) (?:\w+ ){0,3}(?:more|longer) than"
    r"|max(?:imum)?(?: of)?|up to|within|in|to|under"
    r"|fewer than|less than|below|exceed(?:s|ing)?"
    r"|не (?:\w+ ){0,3}(?:более|больше|длиннее)(?: чем)?"
    r"|максимум|до|в"
    r"|из|менее|меньше|превыша\w+|в пределах|лимит\w*)[\s:—–-]+"
    + _RANGE.format(name="number")
    + r"[\s-]+"
    + _UNIT.format(name="unit"),
    re.IGNORECASE,
)
_SUFFIXED = re.compile(
    _RANGE.format(name="number")
    + r"[\s-]+"
    + _UNIT.format(name="unit")
    + r"[\s,(]*(?:or (?:less|fewer)|at most|max(?:imum)?|или меньше|максимум|не бол(?:ее|ьше))\b",
    re.IGNORECASE,
)
_OF_A_PART = re.compile(
    r"\b(?:each|every|per) (?:bullet|item|line|point|step|sentence|paragraph|heading|title)"
    r"|\bкажд\w+ (?:пункт|строк|предложени|абзац|шаг|заголов)",
    re.IGNORECASE,
)
_BELOW = re.compile(r"(?:under|fewer|less|below|менее|меньше)", re.IGNORECASE)
_NOT_BELOW = re.compile(
    r"\b(?:(?:no|not|never) (?:\w+ ){0,3}(?:fewer|less|under|below)"
    r"|не (?:\w+ ){0,3}(?:менее|меньше))\b",
    re.IGNORECASE,
)
_AT_LEAST = re.compile(r"\b(?:at least|minimum|no fewer|не менее|минимум)\b", re.IGNORECASE)
_BRIEF = re.compile(
    r"\b(?:brief\w*|concise\w*|succinct\w*|short (?:answer|repl|response)\w*|кратк\w+|лаконичн\w+"
    r"|сжат\w+ ответ\w*)\b",
    re.IGNORECASE,
)
_BRIEF_WORDS = 120  # a guess: two short paragraphs
_IN_ALL = re.compile(r"\b(?:in all|in total|altogether|including|всего|в сумме)\b", re.IGNORECASE)


def length_checks(order: str, severity: Severity) -> Iterator[TemplateCheck]:
    """The limits that the order states; "brief" without a number becomes a guess."""
    if _OF_A_PART.search(order):
        return
    text = in_digits(order, every=True)
    limits: dict[str, int] = {}
    for match in (*_LIMIT.finditer(text), *_SUFFIXED.finditer(text)):
        if not _is_minimum(text, match):
            number = int(match["number"]) - bool(_BELOW.match(match.groupdict().get("limit") or ""))
            unit = _unit(match["unit"])
            limits[unit] = min(number, limits.get(unit, number))
    characters = limits.pop("characters", None)
    if characters:
        pattern = rf"(?s)\A.{{0,{characters}}}\Z"
        yield TemplateCheck("short_text", {"type": "regex", "pattern": pattern}, severity)
    counted: dict[str, Any] = {name: number for name, number in limits.items() if number > 0}
    if counted:
        plus_phrases = tuple(counted)
        if _IN_ALL.search(order):  # said of the last limit: "two sentences, 45 words in all"
            plus_phrases = ("max_sentences",) if len(counted) > 1 else ()
        check = {"type": "length", **counted}
        yield TemplateCheck("short", check, severity, plus_phrases=plus_phrases)
    elif not characters and _BRIEF.search(order):
        check = {"type": "length", "max_words": _BRIEF_WORDS}
        yield TemplateCheck(
            "brief", check, "should", "the prompt states no number: this is a guess"
        )


def _is_minimum(text: str, match: re.Match[str]) -> bool:
    """Whether words in front of a limit make it a lower one: "at least", "never fewer than"."""
    near, clause = (text[max(0, match.start() - most) : match.end()] for most in (15, 40))
    return bool(_AT_LEAST.search(near) or _NOT_BELOW.search(clause))


def _unit(word: str) -> str:
    word = word.casefold()
    if word.startswith(("word", "слов")):
        return "max_words"
    return "max_sentences" if word.startswith(("sentence", "предлож")) else "characters"
