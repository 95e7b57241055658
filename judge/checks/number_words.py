"""Numbers that Russian and English texts write in words, in digits.

Cardinal and ordinal numbers in all cases. "One", "first", "один" and "первый" alone are read only
where the caller asks for it: they are mostly no number ("one of them", "first, bring a card").
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from data.words import word_set

_ADJECTIVE = ["ый", "ой", "ий", "ого", "ому", "ым", "ом", "ая", "ую", "ое", "ые", "ых", "ыми"]
_NOUN = ["ь", "и", "ью"]  # пять, пяти, пятью
_CARDINALS: dict[int, str] = {
    0: "ноль ноля нулю нуль нуля zero",
    1: "один одна одно одного одной одному одним одном одну one",
    2: "два две двух двум двумя двое двоих two",
    3: "три трех трем тремя трое троих three",
    4: "четыре четырех четырем четырьмя четверо четверых four",
    7: "семь семи seven",  # not семью: "family"
    8: "восемь восьми восемью восьмью eight",
    40: "сорок сорока forty",
    50: "пятьдесят пятидесяти пятьюдесятью fifty",
    60: "шестьдесят шестидесяти sixty",
    70: "семьдесят семидесяти seventy",
    80: "восемьдесят восьмидесяти eighty",
    90: "девяносто девяноста ninety",
    100: "сто ста",
    200: "двести двухсот двумстам",
    300: "триста трехсот тремстам",
    400: "четыреста четырехсот",
    500: "пятьсот пятисот",
    600: "шестьсот шестисот",
    700: "семьсот семисот",
    800: "восемьсот восьмисот",
    900: "девятьсот девятисот",
}
_STEMS: dict[int, str] = {  # of cardinals like "пять", whose ordinals are stem + adjective ending
    5: "пят five fifth",
    6: "шест six sixth",
    9: "девят nine ninth",
    10: "десят ten tenth",
    11: "одиннадцат eleven eleventh",
    12: "двенадцат twelve twelfth",
    13: "тринадцат thirteen thirteenth",
    14: "четырнадцат fourteen fourteenth",
    15: "пятнадцат fifteen fifteenth",
    16: "шестнадцат sixteen sixteenth",
    17: "семнадцат seventeen seventeenth",
    18: "восемнадцат eighteen eighteenth",
    19: "девятнадцат nineteen nineteenth",
    20: "двадцат twenty twentieth",
    30: "тридцат thirty thirtieth",
}
_ORDINAL_STEMS = {
    1: "перв",
    2: "втор",
    4: "четверт",
    7: "седьм",
    8: "восьм",
    40: "сороков",
    50: "пятидесят",
    60: "шестидесят",
    70: "семидесят",
    80: "восьмидесят",
    90: "девяност",
    100: "сот",
}
_ORDINALS: dict[int, str] = {
    1: "first",
    2: "second",
    3: "третий третьего третьему третьим третьем третья третьей третью третье третьи третьих third",
    4: "fourth",
    7: "seventh",
    8: "eighth",
}
_MULTIPLIERS: dict[int, str] = {
    100: "hundred",
    1000: "тысяча тысячу тысячей тысяче тысячи тысяч тысячам тысячами thousand",
    10**6: "миллион миллиона миллионов миллиону миллионом миллионе million",
    10**9: "миллиард миллиарда миллиардов миллиарду миллиардом миллиарде billion",
}
# Alone these say no number: "thousands of students".
_ONLY_BEHIND_A_NUMBER = word_set(
    """
    тысячи тысяч тысячам тысячами миллиона миллионов миллиарда миллиардов hundred thousand
    million billion
    """
)


class _Value(NamedTuple):
    number: int
    multiplies: bool = False
    ordinal: bool = False


def _values() -> Iterator[tuple[str, _Value]]:
    for number, forms in _CARDINALS.items():
        yield from ((form, _Value(number)) for form in forms.split())
    for number, forms in _STEMS.items():
        stem, cardinal, ordinal = forms.split()
        yield from ((stem + ending, _Value(number)) for ending in _NOUN)
        yield cardinal, _Value(number)
        yield ordinal, _Value(number, ordinal=True)
    stems = ((number, forms.split()[0]) for number, forms in _STEMS.items())
    for number, stem in chain(stems, _ORDINAL_STEMS.items()):
        yield from ((stem + ending, _Value(number, ordinal=True)) for ending in _ADJECTIVE)
    for number, forms in _ORDINALS.items():
        yield from ((form, _Value(number, ordinal=True)) for form in forms.split())
    for number, forms in _MULTIPLIERS.items():
        yield from ((form, _Value(number, multiplies=True)) for form in forms.split())


_BY_WORD = dict(_values())
_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN = re.compile(r"[ \u00a0-]*(?:\band\b[ \u00a0]*)?")
_NAMES_A_THING = re.compile(r"\b(?:the|your|our|their|its|his|her|this|every|each)\s+$", re.I)
_AFTER_DIGITS = re.compile(r"\d[ \u00a0]?$")


class _NumberWord(NamedTuple):
    start: int
    end: int
    word: str
    value: _Value


def in_digits(text: str, every: bool) -> str:
    """The text with its numbers in digits where they are written in words.

    `every`: also "one", "first", "a second", which are mostly no numbers.
    """
    parts: list[str] = []
    end = 0
    for group in _groups(text):
        number = _number(group)
        if _is_number(text, group, every):
            parts += [text[end : group[0].start], str(number)]
            end = group[-1].end
    return "".join([*parts, text[end:]]) if parts else text


def _number_words(text: str) -> Iterator[_NumberWord]:
    for match in _WORD.finditer(text):
        word = match[0].casefold().replace("ё", "е")
        if word in _BY_WORD:
            yield _NumberWord(*match.span(), word, _BY_WORD[word])


def _groups(text: str) -> Iterator[list[_NumberWord]]:
    """The runs of number words that say one number each."""
    group: list[_NumberWord] = []
    for word in _number_words(text):
        if group and not _continues(text, group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _continues(text: str, group: list[_NumberWord], word: _NumberWord) -> bool:
    """Whether the word is part of the number before it: hundreds, tens and units in this order."""
    last = group[-1]
    gap = text[last.end : word.start]
    if last.value.ordinal or not _BETWEEN.fullmatch(gap):
        return False
    if word.value.multiplies:
        return last.value.number < word.value.number
    if "and" in gap and last.value.number < 100:
        return False
    size = 10 ** (len(str(last.value.number)) - 1)  # 20 takes 1…9 behind it, 300 takes 1…99
    return (
        size > 1
        and last.value.number % size == 0
        and word.value.number < size
        and (last.value.number >= 20)
    )


def _number(group: list[_NumberWord]) -> int:
    total = current = 0
    for word in group:
        number = word.value.number
        if not word.value.multiplies:
            current += number
        elif number == 100:
            current = (current or 1) * number
        else:
            total, current = total + (current or 1) * number, 0
    return total + current


def _is_number(text: str, group: list[_NumberWord], every: bool) -> bool:
    first = group[0]
    before = text[max(0, first.start - 12) : first.start]
    if first.value.multiplies and _AFTER_DIGITS.search(before):
        return False  # "10 thousand": the digits take it
    if len(group) > 1 or every:
        return True
    if first.word in _ONLY_BEHIND_A_NUMBER:
        return first.word in ("hundred", "thousand", "million") and bool(
            re.search(r"\b(?:a|an)\s+$", before, re.IGNORECASE)
        )
    if first.word == "second":
        return bool(_NAMES_A_THING.search(before))
    return first.value.number != 1
