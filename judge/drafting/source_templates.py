"""Where an answer may take its facts, links, numbers and contacts from, as prompts demand it."""

import re
from collections.abc import Iterator
from typing import Any

from judge.drafting.template_check import Severity, TemplateCheck

NOT = (
    r"(?:never|do not|don't|must not|mustn't|should not|shouldn't|cannot|can't|may not|not"
    r"|avoid|without"
    r"|no|нельзя|никогда|не|избегай\w*|запрещ\w+|без)"
)
CITES = "cites"  # the id of a check of references such as [1], whose numbers are no facts
_SOURCES = (
    (
        "contexts",
        r"passages?|contexts?|documents?|sources?|excerpts?|articles?|manuals?"
        r"|knowledge base|snippets?"
        r"|search results|(?:provided|given|supplied|retrieved) (?:information|texts?"
        r"|materials?|data)"
        r"|отрыв\w+|контекст\w*|документ\w*|источник\w*|фрагмент\w*|стат(?:ей|ьи|ьях|ьям)"
        r"|баз\w+ знаний|(?:предоставленн|приведенн|приведённ|данн)\w+ (?:текст|информац"
        r"|материал)\w*",
    ),
    ("question", r"questions?|messages?|quer(?:y|ies)|requests?|вопрос\w*|сообщени\w*|запрос\w*"),
    ("history", r"conversations?|history|dialog(?:ue)?s?|earlier|диалог\w*|истори\w+|переписк\w+"),
)
_LINKS = r"links?|urls?|hyperlinks?|web ?(?:sites?|addresses)|ссыл\w+|url-адрес\w*"
_NUMBERS = (
    r"numbers?|figures?|digits?|prices?|dates?|amounts?|sums?"
    r"|чис(?:ел|л)\w*|цифр\w*|цен\w*|дат\w*|сумм\w*"
)
_CONTACTS = (
    r"contacts?|contact details|phone numbers?|phones?|e-?mails?(?: addresses)?|контакт\w*"
    r"|телефон\w*"
    r"|(?:электронн\w+ )?почт\w+"
)
_ONLY = re.compile(
    r"\b(?:only|solely|exclusively|strictly|nothing but|unless|только|исключительно|лишь|строго)\b"
    r"|\b(?:outside|other than|beyond|кроме|вне)\b",
    re.IGNORECASE,
)
_INVENT = re.compile(
    r"\b(?:mak(?:e|ing)\b[^.]{0,25}\bup|invent\w*|fabricat\w+|guess\w*|hallucinat\w+|speculat\w+"
    r"|(?:при|вы|до)дум\w+|сочин\w+|фантазир\w+|изобрет\w+)\b",
    re.IGNORECASE,
)
_CITE = re.compile(
    r"\b(?:cite|quote|reference|citations? (?:of|for|to)|(?:name|list|include|provide|give"
    r"|mention) (?:the |your |its )?"
    r"(?:sources?|references?|citations?))\b"
    r"|\bсо ссылк\w+ на (?:источник|документ)\w*|\b(?:цитируй|процитируй|ссылайся)\w*"
    r"|\b(?:указыва\w+|укажи\w*|приводи\w*|приведи\w*)\s+(?:\w+\s+)?источник\w*",
    re.IGNORECASE,
)
_FACTS = (  # id, words, check, may the row's question hold it too
    ("links", _LINKS, "urls_from"),
    ("numbers", _NUMBERS, "digits_from"),
    ("contacts", _CONTACTS, "contacts_from"),
)
_ABSENT: dict[str, tuple[str, dict[str, Any]]] = {
    "links": (
        "no_links",
        {"type": "regex", "pattern": r"(?i)\A(?![\s\S]*(?:https?://|www\.|\]\())"},
    ),
    "numbers": ("no_digits", {"type": "no_digits"}),
}
# "no numbers", "do not give any numbers", and not "never share ticket numbers"
_NONE_OF = (
    r"\b{none}\s+(?:(?:give|use|include|mention|state|write|quote|contain|add|show|put"
    r"|дава\w+|использ\w+|упомина\w+|упоминани\w+|использовани\w+|приводи\w*|указыва\w+|пиши\w*)\s+)?"
    r"(?:(?:any|exact|specific|concrete|other|the|любы\w+|ины\w+|конкретны\w+|точны\w+)\s+)?"
    r"(?:(?:{words})\s*(?:,|and|or|и|или)\s+(?:\w+\s+)?)?(?:{words})\b"
)
_FACT_NOTE = "the prompt does not say where they may come from: `sources` is a guess"


def source_checks(order: str, system: str, severity: Severity) -> Iterator[TemplateCheck]:
    """What the order says about sources; one sentence may name several facts."""
    if _CITE.search(order) and not _matches(rf"\b{NOT}\b", order):
        yield _citation(order, system)
    limited = bool(_ONLY.search(order))
    invented = _matches(rf"{NOT}\b[^.⟦]{{0,40}}", order) and bool(_INVENT.search(order))
    named = [fact for fact in _FACTS if _matches(rf"\b(?:{fact[1]})\b", order)]
    for name, words, kind in named:
        if limited or invented:
            check = {"type": kind, "sources": _sources(order)}
            yield TemplateCheck(name, check, severity, "" if _named_sources(order) else _FACT_NOTE)
        elif name in _ABSENT and _matches(_NONE_OF.format(none=NOT, words=words), order):
            identity, check = _ABSENT[name]
            yield TemplateCheck(identity, check, severity)
    if not named and limited and _matches(rf"\b(?:{_SOURCES[0][1]})\b", order):
        yield from _only_passages(severity)


def invents(order: str) -> bool:
    """Whether the order forbids to make things up, without naming links, numbers or contacts."""
    words = "|".join(fact[1] for fact in _FACTS)
    return (
        _matches(rf"\b{NOT}\b", order)
        and _INVENT.search(order) is not None
        and not _matches(rf"\b(?:{words})\b", order)
    )


def _only_passages(severity: Severity) -> Iterator[TemplateCheck]:
    note = (
        "counts words: an answer of fixed phrases alone fails; limit it by `applies`, or raise it"
    )
    grounded = {"type": "words_from", "sources": ["contexts"], "min": 0.5}
    yield TemplateCheck("grounded", grounded, "should", note)
    sources = ["contexts", "question", "history"]
    for name, _, kind in _FACTS:
        check = {"type": kind, "sources": sources}
        yield TemplateCheck(f"{name}_sourced", check, severity, is_derived=True)


def _citation(order: str, system: str) -> TemplateCheck:
    note = "how an answer cites is a guess: write the form that the prompt demands"
    shown = re.search(r"\[([^\]\s]{1,20})\]", order) or re.search(r"\[(\d|n)\]", system)
    if shown is None and _matches(rf"\b(?:{_LINKS})\b", order):
        return TemplateCheck(
            "links_given", {"type": "regex", "pattern": r"(?i)https?://|\bwww\."}, "should", note
        )
    inner = _reference(shown[1] if shown else "1")
    return TemplateCheck(CITES, {"type": "regex", "pattern": rf"\[{inner}\]"}, "should", note)


def _reference(form: str) -> str:
    """The pattern of a reference such as 1 or KB-12; a word such as "id" stands for any."""
    parts = re.split(r"(\d+)", form)
    if len(parts) == 1:
        return r"[^\]\s]+"
    return "".join(r"\d+" if part.isdigit() else re.escape(part) for part in parts)


def _sources(order: str) -> list[str]:
    return _named_sources(order) or ["contexts", "question", "history"]


def _named_sources(order: str) -> list[str]:
    return [name for name, words in _SOURCES if _matches(rf"\b(?:{words})\b", order)]


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None
