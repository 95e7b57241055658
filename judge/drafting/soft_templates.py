"""Demands that only a language model can decide: tone, empathy, inventions, what is not mentioned.

The definitions of pass and fail quote the prompt's own sentence, in its language.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from judge.drafting.source_templates import NOT, invents
from judge.drafting.template_check import TemplateCheck
from prompts.rules import Language


class _Soft(NamedTuple):
    id: str
    pattern: str
    sees: tuple[str, ...]
    passes: dict[Language, str]
    fails: dict[Language, str]


_NEEDS_MODEL = "needs judge.llm"
_ADJECTIVES = (
    r"friendly|polite|warm|kind|courteous|respectful|formal|informal|casual|neutral"
    r"|professional|calm"
    r"|patient|cheerful|objective|unbiased|impartial"
)
_TONE = _Soft(
    "tone",
    rf"\b(?:be|stay|remain|sound|keep|use|write|answer|speak)\b[^.⟦]{{0,40}}\b(?:{_ADJECTIVES})\b"
    r"|\b(?:tone|voice|style)\b"
    r"|\b(?:вежлив|дружелюб|доброжелател|корректн|тактичн|нейтральн|официальн|уважительн|приветлив"
    r"|непредвзят|беспристрастн)\w*|\b(?:тон|тоне|тоном|стиль|стиле|стилем)\b",
    ("question", "answer"),
    {"en": "The tone of the answer is as demanded", "ru": "Тон ответа такой, как требуется"},
    {"en": "The tone of the answer is another one", "ru": "Тон ответа другой"},
)
_EMPATHY = _Soft(
    "empathy",
    r"\b(?:empath\w+|sympath\w+|compassion\w*|supportive)\b|\b(?:эмпати|сочувств|сопережив)\w*",
    ("question", "answer"),
    {"en": "The answer shows it where the user needs it", "ru": "Ответ проявляет это, когда нужно"},
    {"en": "The answer is cold to a worried user", "ru": "Ответ холоден к встревоженному человеку"},
)
_INVENTION = _Soft(
    "no_invention",
    r"",
    ("question", "contexts", "answer"),
    {
        "en": "Every statement of fact is in the passages or in the question",
        "ru": "Каждое утверждение о фактах есть в отрывках или в вопросе",
    },
    {
        "en": "A statement of fact is in neither, or contradicts them",
        "ru": "Какого-то утверждения нет ни там, ни там, или оно им противоречит",
    },
)
_SILENCE = _Soft(
    "not_mentioned",
    rf"{NOT}\s+(?:\w+\s+)?(?:mention|name|discuss|recommend|promise|compare|comment on"
    rf"|give[^.⟦]{{0,30}}advice"
    r"|упомина|называ|обсужда|рекоменд|советова|обеща|сравнива|критик|дава\w* совет)\w*",
    ("question", "answer"),
    {"en": "The answer obeys this", "ru": "Ответ соблюдает это"},
    {"en": "The answer does what is forbidden", "ru": "Ответ делает то, что запрещено"},
)


def soft_checks(order: str, sentence: str, language: Language) -> Iterator[TemplateCheck]:
    """The checks by a language model that the order asks for; `sentence` is quoted in them."""
    chosen = [soft for soft in (_TONE, _EMPATHY) if re.search(soft.pattern, order, re.IGNORECASE)]
    if invents(order):
        chosen.append(_INVENTION)
    elif re.search(_SILENCE.pattern, order, re.IGNORECASE):
        chosen.append(_SILENCE)
    for soft in chosen:
        quote = f"«{sentence}»" if language == "ru" else f'"{sentence}"'
        check = {
            "type": "llm",
            "sees": list(soft.sees),
            "pass": f"{soft.passes[language]}: {quote}",
            "fail": f"{soft.fails[language]}.",
        }
        gives_way = soft is _SILENCE
        yield TemplateCheck(soft.id, check, "should", _NEEDS_MODEL, gives_way=gives_way)
