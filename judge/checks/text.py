"""Words of a text in one spelling, however they are written.

Pure functions of text; `judge.checks.kinds` decides what a rule demands of them.
"""

import re
import unicodedata

from data.words import fold_letters, split_hyphenated
from judge.checks.links import without_links
from prompts.rules import Language

_QUOTES = dict.fromkeys(map(ord, "«»“”„‟‘’‚‛‹›'`´″′"), '"')
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")
_FOLDED = {**_QUOTES, **_DASHES}

_LIST_MARKER = re.compile(r"^[ \t]*(?:[-*#>_]+[ \t]*)?\d{1,3}[.)](?=\s|[*_])", re.MULTILINE)
_CYRILLIC = re.compile(r"[\u0400-\u052f]")
_LATIN = re.compile(r"[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]")


def fold(text: str) -> str:
    """The text as `data.words.fold_letters`, with one kind of quotes, dashes and spaces."""
    folded = fold_letters(unicodedata.normalize("NFC", text)).translate(_FOLDED)
    return " ".join(folded.split())


def words(text: str) -> list[str]:
    """The folded words; a hyphenated word is one, and so is a character of Chinese or Thai."""
    return split_hyphenated(fold(text))


def without_list_markers(text: str) -> str:
    """The text without `1.` or `2)` at the start of a line."""
    return _LIST_MARKER.sub("", text)


def script_share(text: str, alphabet: str) -> float:
    """Share of the letters that belong to the alphabet, 0 … 1; links and addresses do not count.

    0 when there are no letters.
    """
    plain = unicodedata.normalize("NFC", without_links(text))
    letters = sum(letter.isalpha() for letter in plain)
    script = _CYRILLIC if alphabet == "cyrillic" else _LATIN
    return len(script.findall(plain)) / letters if letters else 0.0


def language_of(text: str) -> Language:
    """The language of a text: Russian where most letters are Cyrillic, else English."""
    return "ru" if script_share(text, "cyrillic") > 0.5 else "en"
