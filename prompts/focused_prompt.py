"""The system prompt of a row's case: without the sentences about other cases.

Which sentences belong to which rule follows from the quotes in the rule file.
"""

from collections.abc import Collection, Iterator
from itertools import zip_longest
from typing import NamedTuple

from data.sentences import sentence_spans
from prompts.rules import Rule, RuleFile, one_line

_REMOVED = "\0"  # stands where a sentence was; a prompt file cannot hold it


class _Sentence(NamedTuple):
    text: str
    gap: str  # the blanks and line breaks behind it


def focused_system(system: str, rules: RuleFile, undue: Collection[str]) -> str:
    """The prompt without the sentences that only conditional rules in `undue` (ids) quote.

    Sentences that no rule quotes stay, and so does every line break between the others.
    """
    parts = []
    for sentence in _sentences(system):
        if _stays(one_line(sentence.text), rules, undue):
            parts.append(sentence.text + sentence.gap)
        else:
            parts.append(_REMOVED + (sentence.gap if "\n" in sentence.gap else ""))
    return _without_emptied_lines("".join(parts).split("\n"))


def _sentences(text: str) -> Iterator[_Sentence]:
    """The sentences of `data.sentences`, each with the gap to the next one."""
    spans = list(sentence_spans(text))
    for (start, end), following in zip_longest(spans, spans[1:]):
        yield _Sentence(text[start:end], text[end : following[0]] if following else "")


def _stays(sentence: str, rules: RuleFile, undue: Collection[str]) -> bool:
    """Whether a sentence of the prompt holds in the case, as far as its quotes say."""
    quoting = [rule for rule in rules.rules if _quotes(rule, sentence)]
    if not any(rule.id in undue for rule in quoting):
        return True
    return any(
        rule.applies == "always" or (rule.converse and rule.id not in undue) for rule in quoting
    )


def _quotes(rule: Rule, sentence: str) -> bool:
    source = one_line(rule.source)
    return bool(sentence) and (sentence in source or source in sentence)


def _without_emptied_lines(lines: list[str]) -> str:
    """The text without the lines that removed sentences leave without a letter.

    Of the two blank lines around such a line one goes with it.
    """
    shown: list[str] = []
    for place, line in enumerate(lines):
        rest = line.replace(_REMOVED, "")
        if _REMOVED not in line:
            shown.append(line)
        elif any(map(str.isalpha, rest)):
            shown.append(rest.rstrip())
        elif shown and not shown[-1].strip() and not "".join(lines[place + 1 : place + 2]).strip():
            shown.pop()
    return "\n".join(shown)
