"""Parses a plain-text reply: lines with a label, of which the last is the verdict.

A verdict counts only where nothing stands beside it: no other word on its line and no text behind
it. An echo of the form, a remark and a verdict that is taken back are unreadable.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from judge.checks.text import fold
from judge.llm.fence import cleaned
from judge.llm.parsed_reply import ParsedReply, Unreadable
from prompts.reasoning import behind_reasoning, opens_reasoning

# Markup that may stand around a word. A word struck through (~~pass~~) or negated (!pass) is none.
_MARKS = " \t*_`\"'«»“”„‘’()[]{}<>|.,;:：#=→•–—\\$-"
_TAGS = re.compile(
    r"</?(?:b|i|u|em|strong|code|verdict|answer|response)>"
    r"|\\(?:boxed|text|textbf|mathrm|mathbf)\{",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"[{re.escape(_MARKS)}]*+(?:\d+[.)][{re.escape(_MARKS)}]*+)?"
    r"(EVIDENCE|REASONING|VERDICT)(?![^\W_])[*_]*+(.*)",
    re.IGNORECASE,
)
_FIRST_WORD = re.compile(r"\W*(\w+)")
_VALUE = re.compile(r"[\s*_`\"»”)\]]*[:：|=→–—-]+[\s*_`]*(.*)")
_EVIDENCE_LINE = re.compile(r"^[^\w\n]*EVIDENCE\b.*$", re.MULTILINE | re.IGNORECASE)
_NO_QUOTE = ("", "none", "(none)", "n/a", "нет", "(нет)")


@dataclass
class _Section:
    """A line with a label, and the text behind it up to the next label."""

    label: str
    rule: str  # id; empty in a reply about one rule
    rest: str  # of the line
    behind: list[str] = field(default_factory=list)  # lines with a letter or digit

    @property
    def value(self) -> str:
        """The text behind the colon; empty without one."""
        match = _VALUE.match(self.rest)
        return match[1].strip() if match else ""

    def verdict(self, rules: Sequence[str]) -> str:
        """The one word of this section. Raises Unreadable when more than that is there.

        Between the rules of a reply about several, the id of one may stand as a heading.
        """
        word = _unmarked(self.rest)
        behind = [line for line in self.behind if not _is_heading(line, rules)]
        if not word and len(behind) == 1:  # the label stands on a line of its own
            word, behind = _unmarked(behind[0]), []
        if behind:
            raise Unreadable("there is text behind the verdict")
        return word


def read_plain(text: str) -> ParsedReply:
    """Parses a reply about one rule, as it stands. Raises Unreadable."""
    return _read(_sections(text, several=False), ())


def read_plain_by_rule(text: str, rules: Sequence[str]) -> dict[str, ParsedReply]:
    """Parses a reply about several rules, by rule id. Unreadable ones are left out.

    Raises Unreadable when the whole reply is.
    """
    sections = _sections(text, several=True)
    replies = {}
    for rule in rules:
        try:
            replies[rule] = _read([part for part in sections if part.rule == rule], rules)
        except Unreadable:
            continue
    return replies


def _read(sections: Sequence[_Section], rules: Sequence[str]) -> ParsedReply:
    if not sections or sections[-1].label != "VERDICT":
        raise Unreadable("it does not end with a line of VERDICT: and one word")
    quotes = [part.value.strip(' "«»“”`*') for part in sections if part.label == "EVIDENCE"]
    reasoning = [part.value for part in sections if part.label == "REASONING"]
    return ParsedReply(
        evidence=[quote for quote in quotes if fold(quote) not in _NO_QUOTE],
        reasoning=reasoning[-1] if reasoning else "",
        verdict=sections[-1].verdict(rules),
    )


def _sections(text: str, several: bool) -> list[_Section]:
    """The labelled lines behind the reasoning, in order; text in front of the first is left out."""
    sections: list[_Section] = []
    for line in cleaned(_without_reasoning(text)).split("\n"):
        if not re.search(r"[^\W_]", _TAGS.sub("", line)):
            continue  # blank, or markup alone
        match = _LABEL.match(line) or _LABEL.match(_TAGS.sub("", line))
        if match is None:
            if sections:
                sections[-1].behind.append(line)
            continue
        label, rest, rule = match[1].upper(), match[2], ""
        if several and (word := _FIRST_WORD.match(rest)):
            rule, rest = word[1].casefold(), rest[word.end() :]
        sections.append(_Section(label, rule, rest))
    return sections


def _without_reasoning(text: str) -> str:
    """The text behind the last end of reasoning. Raises Unreadable where reasoning is open."""
    behind = behind_reasoning(text)
    if behind:
        # A quote of the data may name a tag.
        thoughts = text[: text.rindex(behind[-1])] if behind[-1] else text
        if not opens_reasoning(thoughts + _EVIDENCE_LINE.sub("", behind[-1])):
            return behind[-1]
    raise Unreadable("it holds reasoning without a clear end")


def _unmarked(text: str) -> str:
    """The text without markup around it."""
    return _TAGS.sub("", text).lstrip(_MARKS).rstrip(_MARKS + "!")


def _is_heading(line: str, rules: Sequence[str]) -> bool:
    """Whether a line only names one of these rules."""
    heading = _unmarked(line).casefold()
    return heading in rules or re.sub(r"^(?:\d+[.)])?\W*(?:rule|правило)?\W*", "", heading) in rules
