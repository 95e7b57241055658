"""The demands of a system prompt that no rule quotes."""

import re
from collections.abc import Iterable, Iterator

from data.sentences import sentences
from prompts.rules import RuleFile, one_line

# Words with which a sentence demands something of the answers, or says how they are.
_DEMAND = re.compile(
    r"\b(?:must|should|shall|need to|has to|have to|never|always|only|do not|don't|cannot|can't|may"
    r"|avoid|ensure|make sure|please|at most|at least|no more|answers?|repl(?:y|ies)|responses?"
    r"|tone|style|format|language|markdown|sentences?|words)\b"
    r"|\b(?:долж\w+|нужно|надо|необходимо|следует|нельзя|никогда|всегда|только|запрещ\w+|обязательно"
    r"|избега\w+|не более|не менее|ответ\w*|отвеча\w*|тон|тоном|стил\w+|формат\w*|язык\w*)\b",
    re.IGNORECASE,
)
# An imperative begins a sentence, or its second part: "If it is vague, ask."
_IMPERATIVE = re.compile(
    r"(?:^|[,;:–—-]\s*|\b(?:then|and|то|и)\s+)(?:\W*|not\s+|не\s+)"
    r"(?:(?:never|always|please|do not|don't|никогда|всегда|add|ask|be|begin|call|check|cite|close"
    r"|decline|describe|end|explain|finish|focus|follow|give|greet|help|ignore|include|keep|leave|limit|link|list|make|mark|mention|name|offer|open"
    r"|output|point|provide|put|quote|recommend|redirect|refer|refuse|remember|return|say|show|sign"
    r"|speak|start|state|stay|stick|suggest|summari[sz]e|tell|thank|translate|treat|use|warn|write)\b"
    r"|[а-яё]+(?:ай|яй|уй|юй|ей|ите|йте|ьте)(?:сь|ся)?\b"
    r"|(?:будь|выведи|говори|держи|добавь|закончи|начни|оставь|отметь|пиши|напиши|покажи|помни|попроси"
    r"|представь|приведи|проверь|проси|скажи|следи|составь|веди|укажи|сообщи|объясни|перечисли)\b)",
    re.IGNORECASE,
)
_IF = re.compile(r"^\W*(?:if|when|unless|если|когда)\b", re.IGNORECASE)
# The fields of a worked example inside the prompt: "QUESTION: …", "Content 2: …".
_FIELD = re.compile(
    r"\W*(?:(?:example|question|user|content|context|passage|document|final answer|answer|assistant"
    r"|пример|вопрос|пользователь|отрывок|контекст|документ|ответ)\s*\d*\s*:|={3,})",
    re.IGNORECASE,
)


def uncovered(rules: RuleFile, system: str) -> list[str]:
    """The sentences of the prompt that demand something and that no rule quotes.

    Left out is what demands nothing: who the model is, what it is given, and worked examples, up to
    the next sentence that begins with a condition or an order.
    """
    quotes = [one_line(rule.source) for rule in rules.rules]
    return [
        sentence
        for sentence in _demands(system)
        if not any(sentence in quote or quote in sentence for quote in quotes)
    ]


def outside_examples(sentences_of_prompt: Iterable[str]) -> Iterator[str]:
    """The sentences that belong to no worked example inside the prompt."""
    in_example = False
    for sentence in sentences_of_prompt:
        if _FIELD.match(sentence):
            in_example = True
        elif in_example:
            in_example = not _begins_a_demand(sentence.lstrip())
        if not in_example:
            yield sentence


def _demands(system: str) -> Iterator[str]:
    for sentence in outside_examples(map(one_line, sentences(system))):
        if any(sign.search(sentence) for sign in (_DEMAND, _IMPERATIVE, _IF)):
            yield sentence


def _begins_a_demand(sentence: str) -> bool:
    """Whether a sentence behind a worked example is no part of it."""
    order = _IMPERATIVE.match(sentence) or _IF.match(sentence)
    return order is not None and not sentence.endswith("?")
