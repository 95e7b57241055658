"""Cuts the reasoning of thinking models off in front of their answers.

Rules, judge and students see answers alone. What cannot be separated for certain is no whole
answer: an open tag, a block of reasoning within the answer, the channels of gpt-oss.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple


class ReasoningCut(NamedTuple):
    """An answer without the reasoning in front of it."""

    text: str  # the answer alone, or the unchanged text; empty when not separable
    was_cut: bool  # whether reasoning was removed
    separable: bool  # False: the answer is not whole, because its reasoning has no clear end


class _Tag(NamedTuple):
    opening: re.Pattern[str]
    closing: re.Pattern[str]


_NAMES = "think|thinking|thoughts?|reason|reasoning|analysis|seed:think|longcat_think"
_PAIRS = (
    *((f"<{name}>", f"</{name}>") for name in _NAMES.split("|")),
    (r"\[think\]", r"\[/think\]"),  # Magistral
    (r"<\|start_thinking\|>", r"<\|end_thinking\|>"),  # Command A
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    ("◁think▷", "◁/think▷"),  # Kimi
    (r"<\|channel>thought\b", r"<channel\|>"),  # Gemma 4
    ("<unused94>", "<unused95>"),  # MedGemma
    (r"\Ahere are my reasoning steps:", r"\[begin final response\]"),  # Apriel
)
_TAGS = tuple(_Tag(*(re.compile(tag, re.IGNORECASE) for tag in pair)) for pair in _PAIRS)
_WRAPPER = re.compile(
    r"\A(?:<answer>|<response>|<\|start_response\|>|<\|begin_of_solution\|>)"
    r"|(?:</answer>|</response>|<\|end_response\|>|<\|end_of_solution\|>|\[end final response\])\Z",
    re.IGNORECASE,
)
# Granite 3.2 writes its tags in words. The second sentence alone is no sign of reasoning.
_WORDS = re.compile(
    r"here(?: is|'s) my thought process:(.*?here(?: is|'s) my response:)?",
    re.IGNORECASE | re.DOTALL,
)
# gpt-oss; without special tokens, only the names of its channels are left
_CHANNELS = re.compile(r"<\|channel\|>|\A(?:analysis|commentary)\S.*assistantfinal", re.DOTALL)
_QUOTES = frozenset("`\"'«»“”")


def cut_reasoning(text: str) -> ReasoningCut:
    """The answer without the reasoning in front of it: in tags, or before a closing tag alone.

    A text without reasoning is returned as it is.
    """
    whole = text.strip()
    answer = _after_words(whole)
    while answer is not None and (tag := _first_tag(answer)) is not None:
        answer = _after_tag(tag, answer)
    if answer is None or _CHANNELS.search(answer):
        return ReasoningCut("", was_cut=False, separable=False)
    if answer == whole:
        return ReasoningCut(text, was_cut=False, separable=True)
    return ReasoningCut(_WRAPPER.sub("", answer).strip(), was_cut=True, separable=True)


def _after_words(text: str) -> str | None:
    match = _WORDS.match(text)
    if match is None:
        return text
    return text[match.end() :].strip() if match[1] else None


def _first_tag(text: str) -> _Tag | None:
    """The kind of the first tag of reasoning in a text."""
    first = {
        match.start(): tag
        for tag in _TAGS
        for pattern in tag
        if (match := _find(pattern, text)) is not None
    }
    return first[min(first)] if first else None


def _after_tag(tag: _Tag, text: str) -> str | None:
    """The text after the first closing tag; None when the reasoning has no clear end."""
    opening, closing = _find(tag.opening, text), _find(tag.closing, text)
    if closing is None:
        return None
    within = opening is not None and 0 < opening.start() < closing.start()
    return None if within else text[closing.end() :].strip()


def _find(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(_unquoted(pattern, text), None)


def _unquoted(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The matches that are not merely mentioned between quotation marks."""
    for match in pattern.finditer(text):
        around = text[max(0, match.start() - 1) : match.start()], text[match.end() :][:1]
        if not _QUOTES.issuperset(around):
            yield match


def behind_reasoning(text: str) -> list[str]:
    """The texts behind each end of reasoning, the first end first; the whole text without any.

    For texts whose end alone counts, as of a judge: blocks in the middle are allowed. Empty where
    the reasoning stands in words or channels and has no clear end.
    """
    whole = text.strip()
    ends = sorted(match.end() for tag in _TAGS for match in _unquoted(tag.closing, whole))
    behind = [_after_words(whole[end:].strip()) for end in ends or [0]]
    return [rest for rest in behind if rest is not None and not _CHANNELS.search(rest)]


def opens_reasoning(text: str) -> bool:
    """Whether a text ends within reasoning: a tag is open behind the last closing one."""
    return any(_last(tag.opening, text) > _last(tag.closing, text) for tag in _TAGS)


def without_empty_reasoning(text: str) -> str:
    """The text without a block at its end in which a model is given no room to reason."""
    for tag in _TAGS:
        block = rf"(?:{tag.opening.pattern})?\s*(?:{tag.closing.pattern})\s*\Z"
        text = re.sub(block, "", text, flags=re.IGNORECASE)
    return text


def _last(pattern: re.Pattern[str], text: str) -> int:
    return max((match.start() for match in _unquoted(pattern, text)), default=-1)
