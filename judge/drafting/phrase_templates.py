"""Fixed phrases that a prompt quotes: how answers begin and end, what is said when, and what never.

The frame is the opening and the closing of every answer: a phrase that is "said first" stands
behind the opening.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from judge.drafting.prompt_sentences import PHRASE, PromptSentence
from judge.drafting.source_templates import NOT
from judge.drafting.template_check import TemplateCheck

_WITH = r"[^⟦]{0,40}\b(?:with|by|using)\b[^⟦]{0,30}⟦"
_STARTS = (
    rf"\b(?:start|begin|open|preface)s?\b{_WITH}"
    r"|\b(?:начни\w*|начинай\w*|начинать|начать|начинается|начинаться)\b[^⟦]{0,60}⟦"
    r"|\b(?:at the (?:start|beginning)|в начале)\b[^⟦]{0,60}⟦"
)
_ENDS = (
    rf"\b(?:end|close|finish|conclude|sign off)(?:s|es)?\b{_WITH}"
    r"|\b(?:закончи|заканчивай|заверши|завершай|оканчивай)\w*\b[^⟦]{0,60}⟦"
    r"|\b(?:заканчива|заверша|оканчива)(?:ть|ться|ется)\b[^⟦]{0,60}⟦"
    r"|\b(?:at the (?:very )?end|в (?:самом )?конце)\b[^⟦]{0,60}⟦"
)
_SAYING = (
    r"(?:say|reply|answer|respond|write|state|tell|ask|use|add|include|output|return|print|append"
    r"|refuse|decline|reject|mention|call|refer"
    r"|скажи|говори|ответь|отвеча|напиши|пиши|выведи|выводи|сообщи|попроси|проси|уточни|добав"
    r"|используй|верни|укажи|откаж|отклон|упомина|называ|употребля|произноси)\w*"
)
_SAYS = rf"\b{_SAYING}\b[^⟦]{{0,80}}⟦|:\s*⟦"
_ALWAYS = r"\b(?:always|every|each|must|всегда|кажд\w+|обязательно|долж\w+)\b"
_ONLY = (
    r"\b(?:only|exactly|nothing but|just|только|лишь|ровно|дословно|следующим образом)\b[^⟦]{0,40}⟦"
)
_FIRST = r"\b(?:first|at the beginning|сначала|сперва|вначале)\b[^⟦]{0,30}⟦"
_LAST = r"\b(?:last|at the end|finally|в конце|напоследок)\b[^⟦]{0,30}⟦"
_ASKS = r"\b(?:ask|clarify|clarification|specify|уточн\w+|переспрос\w+|спроси\w*)\b"
_QUESTION_BEHIND = r"⟧[^⟦]{0,20}\b(?:question|вопрос\w*)"
_FORBIDDEN = (
    rf"\b{NOT}\s+(?:\w+\s+){{0,2}}?(?:{_SAYING}|(?:the )?(?:words?|phrases?)|слов\w*|фраз\w*)\b"
    r"(?:(?!\b(?:but|instead|rather|а|но|вместо)\b)[^⟦,;:—]){0,40}⟦"
)
_ONE_OF = (
    r"\b(?:only|just|one of|either|exactly|только|один из|одн\w+ из|либо)\b"
    r"(?:(?!\b(?:json|keys?|fields?|ключ|пол[яе]))[^⟦]){0,40}⟦\d+⟧"
    r"(?:[\s,/]*(?:or|and|или|и|либо)?[\s,]*⟦\d+⟧)+"
)
_ELLIPSIS = re.compile(r"\s*(?:…|\.\.\.)\s*")
_SPECIAL = re.compile(r"([\\.^$*+?{}\[\]|()])")
OTHER_CASE = "case"  # the id of a condition of no usual kind
_NAMES = {"vague": "clarify", "missing": "partial", "off_topic": "refusal"}
_CASES = (
    (
        "off_topic",
        r"\bnot (?:about|relate|relevant|concern|connected|within)\w*|off[- ]?topic"
        r"|unrelated|irrelevant"
        r"|out of scope|outside|other (?:topic|subject|than)s?|anything else"
        r"|не (?:по теме|относ\w+|соответс\w+|связан\w*|касается|про|об?)\b|посторонн|вне тем"
        r"|друг\w+ тем",
    ),
    (
        "vague",
        r"vague|unclear|ambiguous|too (?:broad|general)|неяс|непонят|размыт|слишком|двусмысл",
    ),
    (
        "missing",
        r"(?:\bnot|n't|\bno|lacks?|missing)\b.*(?:hold|contain|have|include|sa(?:y|id)"
        r"|f(?:i|ou)nd|answer"
        r"|know|information)|do(?:es)? not know|(?:нет|отсутств|не (?:содерж|найд|наш"
        r"|хватает|знае|указан))",
    ),
)


class Frame(NamedTuple):
    """The phrases with which every answer begins and ends; empty: none."""

    opening: str = ""
    closing: str = ""

    def around(self, phrase: str) -> str:
        """A whole answer of the phrase alone."""
        return self.behind_opening(self.before_closing(phrase))

    def behind_opening(self, phrase: str) -> str:
        """The phrase as the first one of an answer; it may begin with the opening itself."""
        is_there = phrase.startswith(self.opening)
        return phrase if is_there else " ".join(filter(None, (self.opening, phrase)))

    def before_closing(self, phrase: str) -> str:
        """The phrase as the last one of an answer; it may end with the closing itself."""
        is_there = phrase.endswith(self.closing)
        return phrase if is_there else " ".join(filter(None, (phrase, self.closing)))


def answer_frame(sentences: Sequence[PromptSentence]) -> Frame:
    """The frame that the prompt's unconditional sentences demand."""
    opening = closing = ""
    for sentence in sentences:
        if sentence.condition is None and not _matches(_FORBIDDEN, sentence.order):
            opening = opening or _phrase_behind(_STARTS, sentence)
            closing = closing or _phrase_behind(_ENDS, sentence)
    return Frame(opening, closing)


def phrase_checks(sentence: PromptSentence, frame: Frame) -> Iterator[TemplateCheck]:
    """The checks of the phrases that a sentence quotes."""
    order = sentence.order
    if not re.search(PHRASE, order):
        return
    if _matches(_ONE_OF, order):
        yield _one_of(sentence)
    elif _matches(_FORBIDDEN, order):
        yield from _never(sentence)
    elif _matches(_STARTS, order) or _matches(_ENDS, order):
        yield from _edges(sentence)
    elif _matches(_SAYS, order) and (sentence.condition or _matches(_ALWAYS, order)):
        yield from _said(sentence, frame)


def case_name(condition: str) -> str:
    """What a condition is about, as an id: refusal, partial, clarify, or case."""
    kinds = (_NAMES[kind] for kind, pattern in _CASES if _matches(pattern, condition))
    return next(kinds, OTHER_CASE)


def _edges(sentence: PromptSentence) -> Iterator[TemplateCheck]:
    is_due_sometimes = sentence.condition is not None
    for name, kind, pattern in (
        ("opening", "starts_with", _STARTS),
        ("closing", "ends_with", _ENDS),
    ):
        if phrase := _phrase_behind(pattern, sentence):
            check = {"type": kind, "text": phrase}
            yield TemplateCheck(name, check, converse=is_due_sometimes)


def _said(sentence: PromptSentence, frame: Frame) -> Iterator[TemplateCheck]:
    """A phrase to be said: anywhere, and in its place where the sentence names one."""
    order, condition = sentence.order, sentence.condition
    name = "phrase" if condition is None else case_name(condition)
    first = re.search(PHRASE, order)
    phrase = sentence.phrases[int(first[1])] if first else ""
    pieces = [piece for piece in _ELLIPSIS.split(phrase) if any(map(str.isalpha, piece))]
    is_open = len(pieces) > 1 or bool(_ELLIPSIS.search(phrase))
    kind = "asks" if is_open and _matches(_ASKS, order) else "contains"
    for number, piece in enumerate(pieces, 1):
        identity = name if number == 1 else f"{name}_part_{number}"
        check = {"type": kind, "text": piece}
        yield TemplateCheck(identity, check, converse=condition is not None)
    if is_open or not pieces:
        return
    behind = order[first.end() :].strip(" .!") if first else ""
    if _matches(_ONLY, order) and not behind:
        yield TemplateCheck(f"{name}_only", {"type": "equals", "text": frame.around(phrase)})
    elif _matches(_FIRST, order):
        text = frame.behind_opening(phrase)
        yield TemplateCheck(f"{name}_first", {"type": "starts_with", "text": text})
    elif _matches(_LAST, order):
        text = frame.before_closing(phrase)
        yield TemplateCheck(f"{name}_last", {"type": "ends_with", "text": text})
    if _matches(_QUESTION_BEHIND, order):
        yield TemplateCheck(f"{name}_question", _question_behind(phrase, frame))


def _question_behind(phrase: str, frame: Frame) -> dict[str, Any]:
    """The check that a question follows the phrase, other than the closing of every answer."""
    aside = f"(?!{_escaped(frame.closing)})" if "?" in frame.closing else ""
    return {"type": "regex", "pattern": rf"(?i){_escaped(phrase)}\s+{aside}[^?]+\?"}


def _one_of(sentence: PromptSentence) -> TemplateCheck:
    words = "|".join(map(_escaped, sentence.phrases))
    pattern = rf"(?i)\A\W*(?:{words})\W*\Z"
    return TemplateCheck("one_of", {"type": "regex", "pattern": pattern})


def _never(sentence: PromptSentence) -> Iterator[TemplateCheck]:
    match = re.search(_FORBIDDEN, sentence.order, re.IGNORECASE)
    behind = sentence.order[match.end() - 1 :] if match else ""
    phrases = [sentence.phrases[int(number)] for number in re.findall(PHRASE, behind)]
    words = "|".join(_whole(phrase) for phrase in phrases if phrase)
    if words:
        pattern = rf"(?i)\A(?![\s\S]*(?:{words}))"
        yield TemplateCheck("never_says", {"type": "regex", "pattern": pattern})


def _whole(phrase: str) -> str:
    """The pattern of a phrase that is no part of a word; signs such as ! may stand beside one."""
    before = r"(?<!\w)" if re.match(r"\w", phrase) else ""
    behind = r"(?!\w)" if re.search(r"\w\Z", phrase) else ""
    return f"{before}{_escaped(phrase)}{behind}"


def _phrase_behind(pattern: str, sentence: PromptSentence) -> str:
    """The first phrase behind the pattern, without an ellipsis at its end; "" without a match."""
    match = re.search(pattern, sentence.order, re.IGNORECASE)
    if match is None:
        return ""
    place = re.match(PHRASE, sentence.order[match.end() - 1 :])
    return _ELLIPSIS.split(sentence.phrases[int(place[1])])[0].strip() if place else ""


def _escaped(phrase: str) -> str:
    """The phrase as a regular expression that a person can read: blanks stay."""
    return _SPECIAL.sub(r"\\\1", phrase)


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None
