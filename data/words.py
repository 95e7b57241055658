"""Words in any script, and the spellings of a word that count as one.

A word is a run of letters, digits and the marks on them: vowel signs, tones, accents. In scripts
without spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character with its
marks is a word.
"""

import re
import unicodedata
from functools import cache
from itertools import pairwise

_HAN = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = (
    "\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u312f\u31a0-\u31ff\uff66-\uff9f"
)
_ABOVE = "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"  # more kana and Han
# blocks of Thai and Lao, Burmese, Khmer: their letters; digits form runs as any digits do
_BLOCKS = ((0xE00, 0xF00), (0x1000, 0x10A0), (0x1780, 0x1800), (0xA9E0, 0xAA00), (0xAA60, 0xAA80))
_AM = "\u0e33\u0eb3"  # vowels of Thai and Lao that Unicode calls letters

# Without one of these a text has no marks, and `\w` finds its words: 3 times faster.
_NEEDS_CARE = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20d0-\u20ff\u2cef-\U0010ffff]"
)
_PLAIN_WORD = re.compile(r"[^\W_]+")
_PLAIN_HYPHENATED = re.compile(r"[^\W_]+(?:(?:-|_+)[^\W_]+)*")

# Marks that texts set or omit without another word being meant: Cyrillic stress, Hebrew points,
# Arabic vowels and the stroke that stretches a word, the dot of a Turkish capital. And characters
# that nobody sees: soft hyphen, joiners, marks of direction.
_OMITTED = re.compile(
    "(?<=[\u0400-\u052f])[\u0300\u0301]|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]"
    "|[\u0610-\u061a\u0640\u064b-\u0652\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]|(?<=i)\u0307"
    "|[\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written with blanks between them."""
    return frozenset(text.split())


def fold_letters(text: str) -> str:
    """The text without case, ё, omissible marks and invisible characters."""
    folded = text.casefold().replace("ё", "е")
    return _OMITTED.sub("", folded) if _NEEDS_CARE.search(folded) else folded


def split_words(folded: str) -> list[str]:
    """The words of a folded text; a word with hyphens or `_` inside is several."""
    needs_care = _NEEDS_CARE.search(folded)
    return (_any_script()[0] if needs_care else _PLAIN_WORD).findall(folded)


def split_hyphenated(folded: str) -> list[str]:
    """The words of a folded text; a word with hyphens or `_` inside is one."""
    needs_care = _NEEDS_CARE.search(folded)
    return (_any_script()[1] if needs_care else _PLAIN_HYPHENATED).findall(folded)


def split_terms(folded: str) -> list[str]:
    """The words by which texts are compared: single characters say little, so pairs of them.

    A run of n characters of a script without spaces gives its n − 1 pairs of neighbours, as
    search engines index it, or its one character.
    """
    words = split_hyphenated(folded)
    if not any(map(is_character, words)):
        return words
    terms: list[str] = []
    for run in _any_script()[3].findall(folded):
        characters = split_hyphenated(run)
        pairs = [first + second for first, second in pairwise(characters)]
        terms += (pairs or characters) if is_character(run) else [run]
    return terms


def is_character(word: str) -> bool:
    """Whether a word, or a term, is of characters of a script without spaces."""
    return word > "\u0e00" and _any_script()[2].match(word) is not None


@cache
def _any_script() -> tuple[re.Pattern[str], ...]:
    """Patterns: a word; a word with its hyphens; a character that is a word; this or a run of such.

    Compiled when a text needs them: listing all marks takes longer than importing this module.
    """
    assigned = map(chr, range(0x1F000))  # above, only variation selectors are marks
    marks = "".join(char for char in assigned if unicodedata.category(char)[0] == "M")
    marks += _AM
    letters = (char for block in _BLOCKS for char in map(chr, range(*block)) if char.isalpha())
    unspaced = _HAN + _KANA + "".join(set(letters).difference(_AM)) + _ABOVE
    spaced = rf"[^\W_{unspaced}](?:[^\W_{unspaced}]|[{marks}\U000e0100-\U000e01ef])*"
    character = f"[{unspaced}][{marks}]*"
    hyphenated = f"{spaced}(?:(?:-|_+){spaced})*"
    return (
        re.compile(f"{spaced}|{character}"),
        re.compile(f"{hyphenated}|{character}"),
        re.compile(character),
        re.compile(f"{hyphenated}|(?:{character})+"),
    )
