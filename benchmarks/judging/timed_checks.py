"""Every built-in check with settings that make it read the whole text, for measuring its time."""

from collections.abc import Iterator, Mapping
from typing import Any

from data.answers import Answer
from data.rows import Context, Row
from judge.checks.check import check_applied
from judge.checks.kinds import CheckContext
from judge.verdict import Verdict
from prompts.prompt_file import Prompt, WorkedExample
from prompts.rules import Normalise, Rule, ScoredRule

_SOURCES = ["question", "contexts"]
_PHRASE = "Если у вас есть вопросы, уточните их."
_SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"type": "script_share", "alphabet": "cyrillic", "min": 0.9},
    {"type": "script_share", "alphabet": "latin", "min": 0.9},
    {"type": "starts_with", "text": _PHRASE},
    {"type": "ends_with", "text": _PHRASE},
    {"type": "contains", "text": _PHRASE},
    {"type": "equals", "text": _PHRASE},
    {"type": "asks", "text": "уточните"},
    {"type": "regex", "pattern": r"\bзал\b"},
    {"type": "length", "max_sentences": 3, "max_words": 60},
    {"type": "urls_from", "sources": _SOURCES},
    {"type": "digits_from", "sources": _SOURCES},
    {"type": "contacts_from", "sources": _SOURCES},
    {"type": "words_from", "sources": _SOURCES, "min": 0.5},
    {"type": "no_digits"},
    {"type": "no_repetition"},
    {"type": "json"},
    {"type": "no_leak"},
)
_PROMPT = Prompt(
    system="Отвечайте на русском языке. Зал открыт с девяти до пяти, ссылки только из источников.",
    user_template="{summaries}{question}",
    examples=(WorkedExample(question="Где зал?", contexts=("В доме 2.",), answer="В доме 2."),),
)
_CONTEXT = CheckContext(_PROMPT, Normalise(), (_PHRASE,))


def timed_checks() -> Iterator[tuple[str, ScoredRule]]:
    """The name of each check, with a rule that it decides."""
    for settings in _SETTINGS:
        rule = Rule.model_validate({"id": "it", "source": "x", "check": settings})
        alphabet = settings.get("alphabet")
        name = settings["type"] + (f" {alphabet}" if alphabet else "")
        yield name, ScoredRule(id="it", rule=rule)


def verdict_on_text(rule: ScoredRule, text: str, source: str | None = None) -> Verdict:
    """The verdict on a text as an answer, whose question and passage are `source`, or the text."""
    source = text if source is None else source
    row = Row(id="r", question=source, contexts=(Context(text=source),))
    return check_applied(rule, True, row, Answer.from_text("base", "r", text), _CONTEXT)
