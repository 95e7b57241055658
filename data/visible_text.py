"""Whether a text shows anything: there are letters that nobody sees.

Beside spaces and controls these are zero-width characters, soft hyphens, marks of direction,
variation selectors, tags, the fillers of Hangul, the blank of Braille, and marks without a letter.
"""

import regex

# DI: what Unicode lets a program show as nothing; Cc, Cf, Cs: controls and surrogates. The last two
# are signs by their category, and empty in every font.
_BLANK = r"\p{DI}\p{Cc}\p{Cf}\p{Cs}\u2800\U0001d159"
_VISIBLE = regex.compile(rf"[^{_BLANK}\p{{C}}\p{{Z}}\p{{M}}\s]")
_BLANK_LETTER = regex.compile(rf"[{_BLANK}]")


def has_visible_text(text: str) -> bool:
    """Whether a text has a character that a reader sees."""
    return _VISIBLE.search(text) is not None


def is_blank_letter(character: str) -> bool:
    """Whether a character shows nothing and takes the place of no space or line break."""
    return character not in "\n\t" and _BLANK_LETTER.match(character) is not None
