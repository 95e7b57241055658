"""When a drafted rule is due: by a label or comment of the logs, else by a question to a model."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from data.rows import Row
from data.words import fold_letters, split_words
from judge.drafting.phrase_templates import case_name
from prompts.rules import Language

MarkField = Literal["labels", "comment"]

_NOT_ID = re.compile(r"[^a-z0-9]+")
_STEM = 5  # words with the same first letters count as forms of one word
_LEAST = 4  # letters of a word that can tell one case from another
# What labels are called beside the prompt's own words.
_SYNONYMS = {
    "refusal": (
        "off topic",
        "offtopic",
        "not relevant",
        "irrelevant",
        "out of scope",
        "не по теме",
    ),
    "partial": ("document missing", "no answer", "not found", "нет ответа", "отсутствует документ"),
    "clarify": ("vague", "unclear", "ambiguous", "неясно", "непонятно", "неясный вопрос"),
}
_QUESTIONS: dict[Language, str] = {
    "en": "Is this true of the user's message and the passages: {condition}?",
    "ru": "Верно ли для вопроса и отрывков следующее: {condition}?",
}
_BY_MODEL = "needs judge.llm, which is asked when it is due; a label, tag or word is surer"


class RuleCondition(NamedTuple):
    """When a rule applies, as a rule file writes it."""

    applies: dict[str, Any]
    by_model: bool
    note: str
    name: str = ""  # of the case, for an id


def logged_marks(rows: Iterable[Row]) -> dict[MarkField, list[str]]:
    """The labels of the rows, and the comments that recur, the most frequent first."""
    labels: Counter[str] = Counter()
    comments: Counter[str] = Counter()
    for row in rows:
        labels.update(row.labels or ())
        comments.update([row.comment] if row.comment else [])
    recurring = [text for text, count in comments.most_common() if count > 1]
    return {"labels": [text for text, _ in labels.most_common()], "comment": recurring}


def condition_of(
    condition: str, sentence: str, marks: Mapping[MarkField, Sequence[str]], language: Language
) -> RuleCondition:
    """The condition in the prompt's words as one that can be decided."""
    named = [
        (field, mark)
        for field, texts in marks.items()
        for mark in dict.fromkeys(texts)
        if _names(mark, condition, sentence)
    ]
    if len(named) == 1:
        field, mark = named[0]
        matches = f"^{re.escape(mark).replace(chr(92) + ' ', ' ')}$"
        code = {"field": field, "matches": matches}
        note = f"a guess: {field} {mark!r} means this case"
        return RuleCondition(
            {"code": [code]}, False, note, _NOT_ID.sub("_", mark.casefold()).strip("_")
        )
    question = _QUESTIONS[language].format(condition=condition.rstrip(" .?!"))
    return RuleCondition({"llm": question}, True, _BY_MODEL)


def _names(mark: str, condition: str, sentence: str) -> bool:
    """Whether a label names the case: by a usual name of it, or in the sentence's own words."""
    words = split_words(fold_letters(mark.replace("_", " ")))
    text = " ".join(words)
    if any(f" {name} " in f" {text} " for name in _SYNONYMS.get(case_name(condition), ())):
        return True
    telling = [word for word in words if len(word) >= _LEAST]
    known = {word[:_STEM] for word in split_words(fold_letters(sentence))}
    return bool(telling) and all(word[:_STEM] in known for word in telling)
