"""Full names of people in a text, and whether a source holds them, in Russian and English.

A name is known by its patronymic (Анна Ивановна), its two initials (И. О. Иванов, J. R. Smith), a
title (Dr. Jane Roe) or a common first name beside another word with a capital. A surname alone, and
a rare first name without any of these, is not found. Inflected forms of a name count as one.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from data.first_names import ENGLISH_FIRST_NAMES, RUSSIAN_FIRST_NAMES
from data.sentences import sentences
from data.words import fold_letters, word_set
from judge.checks.links import without_links

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_BETWEEN = re.compile(r"\.?[ \u00a0]*")  # the gap between two words of one name
_MARKUP = re.compile(r"[*_`\[\]]+")
# Patronymics in all cases. Adjectives have the last group's endings too: духовной.
_PATRONYMIC = re.compile(
    r"[а-яё]+(?:[оеё]вич|ьич|кич|мич|тич)(?:а|у|е|ем)?"
    r"|[а-яё]+(?:[оеё]вн|ичн)(?:а|ы|е|у)"
    r"|(?P<as_adjective>[а-яё]+(?:[оеё]вн|ичн)(?:ой|ою))",
    re.IGNORECASE,
)
_SURNAME = re.compile(
    r"[а-яё-]+(?:[оеё]в|[иы]н|ск|цк|ч|[юу]к|ян|ко|дзе|швили)"
    r"(?:а|у|ы|е|ым|ом|ой|ий|ого|ому|им|ая|ую)?",
    re.IGNORECASE,
)
_ENDINGS = (
    *("ого", "его", "ому", "ему", "ыми", "ими", "ой", "ей", "ою", "ею", "ом", "ем", "ым", "им"),
    *("ая", "яя", "ую", "юю", "ый", "ий", "ых", "их", "ью", "а", "я", "у", "ю", "ы", "и", "е", "о"),
    *("й", "ь"),
)
_FLEETING = re.compile(r"(?<=[бвгджзклмнпрстфхцчшщ])[ое](?=[бвгджзклмнпрстфхцчшщ]$)")
_TITLES = word_set("mr mrs ms miss mx dr prof professor sir")
# Behind a first name these make a place or a thing: Elizabeth Street, улица Ивана Франко is a name.
_THINGS = word_set(
    """
    academy avenue award bridge building campus center centre chapel clinic college court day
    drive fellowship foundation fund gallery gardens grant hall hospital house institute lab
    laboratory lane lecture library memorial museum park place prize programme program road room
    scholarship school square st station street theatre theater university wing эл
    """
)
# In front of a name these make it the name of a thing: МГТУ им. Н. Э. Баумана.
_NAMED_AFTER = word_set(
    "им имени ул улица улице улицы улицу пл площадь площади просп проспект проспекте after"
)
_SHORTEST_STEM = 2
_ABBREVIATION = 5  # letters of a word in capitals up to which it is no surname: НИУ, NASA
_NEAR = 1  # other words of a source that may stand among those of a name: a patronymic
_SEPARATOR = re.compile(r"[,;:()|/•@\d]")  # between two people of a list


class FullName(NamedTuple):
    """A person's name as a text has it."""

    text: str
    parts: tuple[str, ...]  # folded words; initials are single letters


def full_names(text: str) -> list[FullName]:
    """The full names in a text, in order; links do not count."""
    plain = _MARKUP.sub(" ", without_links(text, " | "))
    return [
        name
        for sentence in sentences(plain)
        for run in _capitalised_runs(sentence)
        for name in _names_in(run)
    ]


def unknown_names(text: str, sources: Sequence[str]) -> list[str]:
    """The full names of a text, as written, that no source holds in any inflected form."""
    unknown = (
        name.text
        for name in full_names(text)
        if not any(_holds(part, name.parts) for source in sources for part in _parts(source))
    )
    return list(dict.fromkeys(unknown))


class _Word(NamedTuple):
    text: str
    before: str  # the word in front of it; empty at the beginning of a sentence


def _capitalised_runs(sentence: str) -> Iterator[list[_Word]]:
    """The words with a capital that follow each other with blanks, or full stops, between them."""
    run: list[_Word] = []
    end, before = 0, ""
    for match in _WORD.finditer(sentence):
        gap = sentence[end : match.start()]
        stops_at_word = "." in gap and run and not _takes_full_stop(run[-1].text)
        if run and (stops_at_word or not _BETWEEN.fullmatch(gap)):
            yield run
            run = []
        if match[0][0].isupper():
            run.append(_Word(match[0], before))
        elif run:
            yield run
            run = []
        end, before = match.end(), match[0].casefold()
    if run:
        yield run


def _takes_full_stop(word: str) -> bool:
    return len(word) == 1 or word.casefold() in _TITLES


def _names_in(run: Sequence[_Word]) -> Iterator[FullName]:
    """The names in a run, from left to right, without a word in two of them."""
    place = 0
    while place < len(run):
        end = next(
            (e for e in _ends(run, place) if _is_name([word.text for word in run[place:e]])), None
        )
        if end is None or _is_thing(run, place, end):
            place = end or place + 1
            continue
        of_name = [word.text for word in run[place:end] if word.text.casefold() not in _TITLES]
        parts = tuple(fold_letters(re.sub(r"['’]s$", "", word)) for word in of_name)
        yield FullName(" ".join(of_name), parts)
        place = end


def _ends(run: Sequence[_Word], start: int) -> range:
    """Where a name that begins at `start` may end, the longest first."""
    return range(min(len(run), start + 4), start + 1, -1)


def _is_name(texts: Sequence[str]) -> bool:
    if texts[0].casefold() in _TITLES:
        return len(texts) >= 3 and all(map(_may_be_part, texts[1:]))
    whole = [text for text in texts if len(text) > 1]
    if not whole or len(texts) > 3 or not all(map(_may_be_part, whole)):
        return False
    if len(whole) < len(texts):
        return _has_initials(texts)
    patronymics = [match for text in texts if (match := _PATRONYMIC.fullmatch(text))]
    if not patronymics:
        is_russian = not fold_letters(texts[0]).isascii()
        surname_first = is_russian and _SURNAME.fullmatch(texts[0]) and _is_first_name(texts[-1])
        return len(texts) == 2 and (_is_first_name(texts[0]) or bool(surname_first))
    begins = _is_first_name(texts[0]) or _SURNAME.fullmatch(texts[0]) is not None
    is_sure = any(match["as_adjective"] is None for match in patronymics)
    return (
        (begins or _PATRONYMIC.fullmatch(texts[1]) is not None)
        and _PATRONYMIC.fullmatch(texts[0]) is None
        and (is_sure or any(map(_is_first_name, texts)))
    )


def _has_initials(texts: Sequence[str]) -> bool:
    """J. R. Smith, Иванов И. О., John F. Smith: one initial needs a first name beside it."""
    if len(texts) != 3:
        return False
    first, middle, last = (len(text) == 1 for text in texts)
    if first and middle:
        return not last
    if middle and last:
        return _SURNAME.fullmatch(texts[0]) is not None
    return middle and _is_first_name(texts[0])


def _is_thing(run: Sequence[_Word], start: int, end: int) -> bool:
    """Whether the words around a name say that a thing bears it."""
    behind = (word.text.casefold() for word in run[end : end + 1])
    return run[start].before in _NAMED_AFTER or any(word in _THINGS for word in behind)


def _may_be_part(text: str) -> bool:
    is_abbreviation = text.isupper() and len(text) <= _ABBREVIATION
    return not is_abbreviation and text.casefold() not in _THINGS


def _is_first_name(text: str) -> bool:
    folded = fold_letters(text)
    if folded.isascii():
        return re.sub(r"['’]s$", "", folded) in ENGLISH_FIRST_NAMES
    return not _stems(folded).isdisjoint(_first_name_stems())


@lru_cache(maxsize=1)
def _first_name_stems() -> frozenset[str]:
    return frozenset().union(*map(_stems, RUSSIAN_FIRST_NAMES))


@lru_cache(maxsize=4096)
def _stems(folded: str) -> frozenset[str]:
    """What a name may be without its case ending: equal for two of its forms."""
    stems = {folded, _FLEETING.sub("", folded)}
    for ending in _ENDINGS:
        stem = folded.removesuffix(ending)
        if stem != folded and len(stem) >= _SHORTEST_STEM:
            stems.add(stem)
    return frozenset(stems)


@lru_cache(maxsize=256)  # a row's texts recur with every answer
def _parts(source: str) -> tuple[tuple[str, ...], ...]:
    """The words of a source between separators."""
    return tuple(tuple(_WORD.findall(part)) for part in _SEPARATOR.split(fold_letters(source)))


def _holds(source: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the source has all parts of a name close together, in any order."""
    longest = max(parts, key=len)
    reach = len(parts) - 1 + _NEAR
    return any(
        _matches_all(source[max(0, place - reach) : place + reach + 1], parts)
        for place, word in enumerate(source)
        if _same(word, longest)
    )


def _matches_all(window: Sequence[str], parts: Sequence[str]) -> bool:
    left = list(window)
    for part in sorted(parts, key=len, reverse=True):
        match = next((word for word in left if _same(word, part)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _same(word: str, part: str) -> bool:
    """Whether a word of a source is a form of this part; an initial stands for any such word."""
    if len(part) == 1:
        return word.startswith(part)
    if word.isascii():
        return re.sub(r"['’]s$", "", word) == part
    return word[:1] == part[:1] and not _stems(word).isdisjoint(_stems(part))
