"""The sentences of a system prompt as rule templates read them: quotes set apart, conditions found.

A quoted phrase may hold several sentences, so the prompt is split with its phrases masked.
Worked examples inside the prompt are left out.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from data.sentences import sentence_spans
from prompts.rules import one_line
from prompts.uncovered import outside_examples

PHRASE = r"⟦(\d+)⟧"  # in `PromptSentence.masked`, the place of a quoted phrase
_QUOTED = re.compile(
    r"\"([^\"]+)\"|«([^»]+)»|“([^”]+)”|„([^“”]+)[“”]|`([^`\n]+)`"
    r"|(?<=[\s:(])'([^'\n]{2,}?)'(?=[\s.,;:!?)]|$)"
)
_MARK_THEN_BREAK = re.compile(r":[ \t]*\n\s*(?=[\"«“„'`])")  # "answer so:\n“…”"
_NEW_CASE = re.compile(r";\s+(?=(?:if|when|for|если|когда|для|на)\b)", re.IGNORECASE)
_OWN_MARKS = str.maketrans("⟦⟧", "[]")  # of the prompt itself
_INNER = re.compile(r"[^\s\w]|\s")
_LINE_START = r"^(?:\d{1,3}[.)]|\W)*"  # "3) If", "- **When**"
_CONDITION_WORD = r"(?:if|when|whenever|in case|если|когда|в случае,? если)"
# The order that a condition leads to begins with one of these words.
_ORDER = (
    r"(?:(?:then|please|you|just|simply|only|first|always|do|don't|not|never|то|просто|сначала|только"
    r"|лишь|обязательно|не|ты|вы)\s+)*"
    r"(?:say|reply|answer|respond|write|state|ask|tell|refuse|decline|use|add|give|begin"
    r"|start|end|close"
    r"|finish|direct|refer|point|offer|suggest|mention|return|output|print|include"
    r"|apologi[sz]e|keep"
    r"|must|should|explain|redirect|invite|request"
    r"|ответь\w*|отвеча\w+|скажи\w*|говори\w*|напиши\w*|пиши\w*|выведи\w*|выводи\w*|попроси\w*"
    r"|проси\w*|веди\w*|сообщи\w*|сообщай\w*|уточн\w+|предлож\w+|предлага\w+|откаж\w+|укаж\w+"
    r"|используй\w*|добав\w+|начн\w+|начин\w+|законч\w+|заканчив\w+|заверш\w+|верни\w*|извини\w*"
    r"|должн\w+|долж\w+|нужно|следует|перенаправ\w+|посоветуй\w*|рекоменд\w+)\b"
)
_LEADING = re.compile(
    rf"{_LINE_START}(?P<word>{_CONDITION_WORD})\b\W*\s+(?P<condition>.+?)\s*(?:,|:|—|–"
    rf"|\bthen\b)\s*(?={_ORDER})",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    rf"(?<!only)(?<!только)(?<!лишь)[\s,]\s*(?:{_CONDITION_WORD}"
    rf"|unless)\b\s+(?P<condition>[^⟦]+?)[.!\s]*$",
    re.IGNORECASE,
)
_OF_CASES = re.compile(
    _LINE_START + r"(?:for|to|on|на|для)\s+(?P<cases>[^⟦,:]{3,120}?)\s*[,:]?\s+"
    rf"(?={_ORDER})|\b(?:refuse|decline|reject|откаж\w+\w*"
    rf"|отклоня\w+)\s+(?P<refused>[^⟦,:]{{3,80}}?)"
    r"\s+(?:with|by|using|saying|фразой|словами)\b",
    re.IGNORECASE,
)
_SAYS = re.compile(
    _LINE_START
    + r"(?:(?:then|just|only|please|то|тогда|просто|затем)\s+)*(?:say|reply|answer|respond|write"
    r"|скажи\w*|ответь\w*|напиши\w*|сообщи\w*)\b[^⟦]{0,60}⟦",
    re.IGNORECASE,
)
_CARRIED = 3  # sentences over which a condition goes on


class PromptSentence(NamedTuple):
    """A sentence of the prompt outside its worked examples."""

    text: str  # word for word, on one line
    masked: str  # with ⟦0⟧, ⟦1⟧ … in place of the quoted phrases and their quotes
    phrases: tuple[str, ...]
    condition: str | None  # when its demand is due, in the prompt's words; None: always

    @property
    def order(self) -> str:
        """The masked text without a condition that stands in front."""
        match = _LEADING.match(self.masked) or _OF_CASES.match(self.masked)
        leads = match is not None and match.groupdict().get("refused") is None
        return self.masked[match.end() :] if match and leads else self.masked


def prompt_sentences(system: str) -> list[PromptSentence]:
    """The sentences of a system prompt.

    A condition whose sentence demands no fixed phrase goes on up to the order to say one: "If they
    lack the answer, tell what is near. Give no numbers. Say: …"
    """
    lines: list[list[PromptSentence]] = []
    for text in outside_examples(_split(system)):
        if text.startswith("\n") or not lines:
            lines.append([])
        lines[-1].append(_read(one_line(text)))
    for line in lines:
        for place, sentence in enumerate(line):
            if sentence.condition is not None and not sentence.phrases:
                _carry_on(line, place)
    return [sentence for line in lines for sentence in line]


def _carry_on(line: list[PromptSentence], place: int) -> None:
    """Gives the condition at a place to the sentences up to the one that says what to say."""
    following = line[place + 1 : place + 1 + _CARRIED]
    for count, sentence in enumerate(following, 1):
        if sentence.condition is not None:
            return
        if _SAYS.match(sentence.masked):
            for at in range(place + 1, place + 1 + count):
                line[at] = line[at]._replace(condition=line[place].condition)
            return


def _split(system: str) -> Iterator[str]:
    """The sentences, each with a line break in front where it begins a line."""
    joined = _MARK_THEN_BREAK.sub(lambda match: ":" + " " * (len(match[0]) - 1), system)
    masked = _QUOTED.sub(_masked_inside, joined)
    before = 0  # end of the sentence before
    for start, end in _clauses(masked):
        text = joined[start:end].strip()
        if text:
            yield f"\n{text}" if "\n" in joined[before:start] else text
            before = end


def _clauses(masked: str) -> Iterator[tuple[int, int]]:
    """The spans of sentences; "…; if it is not there, say …" is two."""
    for start, end in sentence_spans(masked):
        for match in _NEW_CASE.finditer(masked, start, end):
            yield start, match.start() + 1
            start = match.end()
        yield start, end


def _masked_inside(match: re.Match[str]) -> str:
    """The quoted phrase with letters for its marks and blanks, except for its last mark."""
    body = _INNER.sub("x", match[0][1:-2])
    return f"{match[0][0]}{body}{match[0][-2:]}"


def _read(text: str) -> PromptSentence:
    phrases: list[str] = []

    def set_apart(match: re.Match[str]) -> str:
        group = match.lastindex or 0
        phrases.append(text[match.start(group) : match.end(group)].strip())
        return f"⟦{len(phrases) - 1}⟧"

    masked = _QUOTED.sub(set_apart, text.translate(_OWN_MARKS))
    return PromptSentence(text, masked, tuple(phrases), _condition(masked, phrases))


def _condition(masked: str, phrases: list[str]) -> str | None:
    """When the sentence's demand is due; phrases inside the condition are put back."""
    condition = None
    if match := _LEADING.match(masked):
        condition = match["condition"]
    elif match := _OF_CASES.search(masked):
        condition = f"the message is one of these: {match['cases'] or match['refused']}"
        if re.search("[а-яё]", masked, re.IGNORECASE):
            condition = f"сообщение из таких: {match['cases'] or match['refused']}"
    elif phrases and (match := _TRAILING.search(masked)):
        condition = match["condition"]
    if condition is None:
        return None
    return re.sub(PHRASE, lambda place: f'"{phrases[int(place[1])]}"', condition)
