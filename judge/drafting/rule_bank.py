"""Rule templates without a model: what a sentence of a prompt demands, by its wording.

English and Russian. A template sees one sentence and proposes checks; the text of quoted phrases is
read by `judge.drafting.phrase_templates` alone. What no template knows stays a person's work.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from judge.drafting.length_template import length_checks
from judge.drafting.prompt_sentences import PHRASE, PromptSentence
from judge.drafting.source_templates import NOT, source_checks
from judge.drafting.template_check import TemplateCheck


def _absent(pattern: str, flags: str = "i") -> dict[str, Any]:
    """The check that an answer has no match of a pattern."""
    return {"type": "regex", "pattern": rf"(?{flags})\A(?![\s\S]*(?:{pattern}))"}


_NEXT_ORDER = (
    r",\s*(?:but|instead|use|write|answer|reply|say|give|ask|а|но|используй|пиши|отвечай|ответь"
    r"|скажи|дай|спроси)\b"
)
_LIST_ITEM = r"^[ \t]*(?:[-*•–]|\d{1,2}[.)])[ \t]"
_EMOJI = r"[\u2600-\u27bf\u2b50\u2b55\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff]"
_MARKDOWN = rf"\*\*|__|```|^#{{1,6}}[ \t]|{_LIST_ITEM}|\[[^\]\n]+\]\("


class _Template(NamedTuple):
    id: str
    pattern: str  # of the sentence without its leading condition
    check: dict[str, Any]
    note: str = ""
    unless: str | None = None  # a sentence with this demands something else


def _says_not(things: str) -> str:
    """A negation with one of the things in the same clause: "Do not guess, use lists" has none."""
    return rf"\b{NOT}\b(?:(?!{_NEXT_ORDER})[^.;:—⟦]){{0,40}}?\b(?:{things})"


_LATIN_NOTE = "only the alphabet is checked, so another language in it passes too"
_ALPHABETS = (
    ("russian", r"russian", r"русск\w+", "cyrillic", ""),
    ("english", r"english", r"английск\w+", "latin", _LATIN_NOTE),
    (
        "latin_letters",
        r"german|french|spanish|italian|portuguese|dutch",
        r"немецк\w+|французск\w+|испанск\w+|итальянск\w+|португальск\w+",
        "latin",
        _LATIN_NOTE,
    ),
)
_LANGUAGES = tuple(
    _Template(
        name,
        rf"\bin\s+(?:\w+\s+){{0,2}}(?:{english})\b|\b(?:{english})\s+only\b"
        rf"|\b(?:only|use|speak|write)\s+(?:{english})\b"
        rf"|\bна\s+(?:\w+\s+)?(?:{russian})\b|\bпо-(?:{russian})",
        {"type": "script_share", "alphabet": alphabet, "min": 0.8},
        note,
        unless=rf"(?:{NOT})\s+(?:\w+\s+){{0,2}}(?:in|на|по)\b|\b(?:or|или|and|и)\s+(?:in |на )?"
        r"(?:english|russian|german|french|английск|русск|немецк|по-)"
        r"|\b(?:question|user|message|вопрос\w*|пользовател\w*)\s+(?:is|writes?|задан|пишет)",
    )
    for name, english, russian, alphabet, note in _ALPHABETS
)
_FORMS = (
    _Template(
        "no_leak",
        _says_not(
            r"(?:reveal|disclose|share|talk|speak|mention|discuss|repeat|quote|show|tell"
            r"|output|expose"
            r"|refer|leak|раскры|упомина|рассказыва|говор|показыва|сообща|цитир|повторя"
            r"|обсужда|вывод"
            r"|разглаша|дели|пересказ)\w*\b[^.⟦]{0,60}\b(?:instructions?|prompts?|guidelines"
            r"|(?:these|your|own) rules|configuration|инструкци\w+|промпт\w*|указани\w+"
            r"|(?:эт\w+|сво\w+) правил\w*)"
        ),
        {"type": "no_leak", "words": 8},
    ),
    _Template(
        "no_repetition",
        _says_not(
            r"repeat\w*(?! (?:the |any )?(?:user|question|instruction|prompt|these))|repetitions?"
            r"|redundan\w+|(?:any|some)?things? twice|same (?:thing )?twice"
            r"|повторя\w+(?! (?:вопрос|инструкц|промпт|слова пользов))|повтор(?:ов|ени[йяе])"
        ),
        {"type": "no_repetition"},
    ),
    _Template(
        "no_emoji", _says_not(r"emojis?|emoticons?|smileys?|эмодзи|смайл\w*"), _absent(_EMOJI)
    ),
    _Template(
        "no_markdown",
        _says_not(r"markdown|formatting|разметк\w+|форматировани\w+")
        + r"|\bplain[- ]text\b|\bобычн\w+ текст\w*|\bпрост\w+ текстом\b",
        _absent(_MARKDOWN, "m"),
    ),
    _Template(
        "no_lists",
        _says_not(
            r"(?:bullet|numbered)?[- ]?(?:lists?|bullets?|bullet points)\b|списк\w+|спис(?:ок|ков)"
        ),
        _absent(_LIST_ITEM, "m"),
        unless=r"\b(?:nested|long|вложенн\w+|длинн\w+)\b",
    ),
    _Template(
        "as_a_list",
        r"\b(?:use|as|in|with|write|give)\b[^.⟦]{0,30}\b(?:bullet(?:ed)? (?:points?|list)"
        r"|numbered list"
        r"|bullets)\b|\b(?:в виде|оформ\w+)\b[^.⟦]{0,30}\bсписк\w+",
        {"type": "regex", "pattern": rf"(?m){_LIST_ITEM}"},
        unless=rf"\b{NOT}\b",
    ),
    _Template(
        "no_headings", _says_not(r"head(?:ing|er)s?|заголовк\w+"), _absent(r"^#{1,6}[ \t]", "m")
    ),
    _Template("no_tables", _says_not(r"tables?\b|таблиц\w*"), _absent(r"^[ \t]*\|", "m")),
    _Template("no_code", _says_not(r"code(?: blocks?)?\b|\bкод(?:а|ом)?\b"), _absent("```", "m")),
    _Template(
        "no_questions",
        _says_not(
            r"ask\b[^.⟦]{0,25}\bquestions?|follow-?up questions?|зада\w+[^.⟦]{0,25}вопрос\w*"
        ),
        {"type": "regex", "pattern": r"\A[^?]*\Z"},
    ),
    _Template(
        "no_exclamation",
        _says_not(r"exclamation(?: marks?| points?)?|восклицательн\w+"),
        {"type": "regex", "pattern": r"\A[^!]*\Z"},
    ),
    _Template("json", r"\bJSON\b", {"type": "json"}, unless=rf"\b{NOT}\b"),
    _Template(
        "yes_or_no",
        r"\b(?:only|just|exactly|either|только|лишь)\b[^.⟦]{0,30}\b(?:yes or no|да или нет)\b"
        r"|\b(?:yes or no|да или нет)\b[^.⟦]{0,10}\b(?:only|только)\b",
        {"type": "regex", "pattern": r"(?i)\A\W*(?:yes|no|да|нет)\W*\Z"},
    ),
)
_SOFT = re.compile(
    r"\b(?:avoid|prefer\w*|ideally|try to|if possible|should try|избегай\w*|старай\w*|желательно"
    r"|по возможности|предпочт\w+)\b",
    re.IGNORECASE,
)


def template_checks(sentence: PromptSentence, system: str) -> Iterator[TemplateCheck]:
    """What the sentence demands beside its quoted phrases; a check each."""
    severity: Literal["must", "should"] = "should" if _SOFT.search(sentence.order) else "must"
    order = re.sub(PHRASE, "⟦⟧", sentence.order)
    for template in (*_LANGUAGES, *_FORMS):
        if re.search(template.pattern, order, re.IGNORECASE) and not (
            template.unless and re.search(template.unless, order, re.IGNORECASE)
        ):
            yield TemplateCheck(template.id, template.check, severity, template.note)
    yield from length_checks(order, severity)
    yield from source_checks(order, system, severity)
