"""The parts of an answer that the prompt dictates: openings, fixed sentences and closings.

The rules say which texts must occur, the worked examples where a sentence stands in the answer and
whether anything may stand beside it.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from judge.checks.phrases import phrase_form
from prompts.check_settings import Phrase
from prompts.prompt_file import Prompt
from prompts.rules import RuleFile
from teacher.guided.row_case import RowCase

Place = Literal["alone", "beginning", "end", "middle"]


class DictatedParts(NamedTuple):
    """What the prompt dictates of the answer to a row."""

    beginning: str  # "": nothing is dictated
    endings: tuple[str, ...]  # the last sentences, in their order
    whole: str | None  # the whole answer; None: it is not dictated


def dictated_parts(prompt: Prompt, rules: RuleFile, case: RowCase) -> DictatedParts:
    """The parts of the rules that hold in this case.

    A sentence belongs to the beginning if a worked example has it right behind the opening, or none
    shows where it stands. It is all of the answer if its rule says `equals`, or a worked example
    has nothing else between opening and closing.
    """
    opening = _joined(_phrases(rules, case, "starts_with"))
    closing = _joined(_phrases(rules, case, "ends_with"))
    beginning, endings = [opening], [closing]
    whole = next((text for rule, text in _phrases(rules, case, "equals") if rule in case.due), None)
    for rule, sentence in _phrases(rules, case, "contains") + _phrases(rules, case, "asks"):
        if rule not in case.due or phrase_form(sentence) in phrase_form(opening):
            continue
        places = set(_places(prompt, sentence, opening, closing))
        if "alone" in places and whole is None:
            whole = _join(opening, sentence, closing)
        if not places or places & {"alone", "beginning"}:
            beginning.append(sentence)
        elif "end" in places:
            endings.insert(-1, sentence)
    return DictatedParts(_join(*beginning), tuple(filter(None, endings)), whole)


def _phrases(rules: RuleFile, case: RowCase, kind: str) -> list[tuple[str, str]]:
    """The rule ids and texts of the phrase rules of one kind that hold in the case."""
    return [
        (rule.id, rule.check.text)
        for rule in rules.rules
        if isinstance(rule.check, Phrase) and rule.check.type == kind and rule.id in case.in_force
    ]


def _joined(phrases: list[tuple[str, str]]) -> str:
    """The texts with one space between them, without those that others contain."""
    texts = list(dict.fromkeys(text for _, text in phrases))
    return _join(
        *(
            text
            for text in texts
            if not any(phrase_form(text) in phrase_form(other) for other in texts if other != text)
        )
    )


def _join(*texts: str) -> str:
    return " ".join(filter(None, texts))


def _places(prompt: Prompt, sentence: str, opening: str, closing: str) -> Iterator[Place]:
    """Where the worked examples that say the sentence have it, between opening and closing."""
    sentence, opening, closing = phrase_form(sentence), phrase_form(opening), phrase_form(closing)
    for example in prompt.examples:
        answer = phrase_form(example.answer)
        if sentence not in answer:
            continue
        between = answer.removeprefix(opening).removesuffix(closing).strip()
        if between == sentence:
            yield "alone"
        elif between.startswith(sentence):
            yield "beginning"
        else:
            yield "end" if between.endswith(sentence) else "middle"
