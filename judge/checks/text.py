"""Words, links and numbers of a text in one spelling, however they are written.

Pure functions of text; `judge.checks.kinds` decides what a rule demands of them.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from data.words import fold_letters, split_hyphenated
from prompts.rules import Language

_QUOTES = dict.fromkeys(map(ord, "«»„“”‟‘’‚‛‹›'`´″′"), '"')
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")
_FOLDED = {**_QUOTES, **_DASHES}

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HOST_ENDS = "ru|рф|su|com|org|net|edu|gov|io|info|me|dev|app|ai|uk|de|eu|kz|by|ua|test|example"
# East Asian text needs no space around a link: its letters end a host, and a path unless they begin
# a part of it (wiki/北京); its punctuation ends both.
_EAST = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3021-\ud7ff"
)
_HOST = rf"[^\W{_EAST}]"
_NO_URL = r"\s<>\[\]\"«»“”|`\\\u3000-\u3004\u3008-\u3020\uff01-\uff0f\uff1a-\uff20\uff3b-\uff65"
_URL = re.compile(
    rf"(?:https?://|www\.)(?:(?![,;]?https?://|(?<=[A-Za-z0-9])[{_EAST}])[^{_NO_URL}])+"
    rf"|(?<!{_HOST})(?<![@./-])(?:(?:{_HOST}|-)+\.)+(?:{_HOST_ENDS})(?!(?:{_HOST}|[.-])*{_HOST})"
    rf"(?:[/?#](?:(?!(?<=[A-Za-z0-9])[{_EAST}])[^{_NO_URL}])*)?",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\([_*()~-])")  # Markdown's, as models write it inside links
_LIST_MARKER = re.compile(r"^[ \t]*(?:[-*#>_]+[ \t]*)?\d{1,3}[.)](?=\s|[*_])", re.MULTILINE)
_CYRILLIC = re.compile(r"[\u0400-\u052f]")
_LATIN = re.compile(r"[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]")

_PHONE = re.compile(
    r"(?<![\d.,])(?:\+?[78][\s-]?)?\(?\d{3}\)?[\s-]{0,2}\d{3}[\s-]\d{2}[\s-]?\d{2}(?!\d)"
    r"|(?<![\d.,])(?:\+7|8)\d{10}(?!\d)"
)
_THOUSANDS = re.compile(
    r"(?<![\d.,:])[1-9]\d{0,2}(?:([ \u00a0\u2009\u202f'’,.])\d{3})(?:\1\d{3})*(?!\d)"
)
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_FOREIGN_DIGIT = re.compile(r"(?![0-9])[\d٫٬]")  # and the Arabic marks of fractions and thousands


def fold(text: str) -> str:
    """The text as `data.words.fold_letters`, with one kind of quotes, dashes and spaces."""
    folded = fold_letters(unicodedata.normalize("NFC", text)).translate(_FOLDED)
    return " ".join(folded.split())


def words(text: str) -> list[str]:
    """The folded words; a hyphenated word is one, and so is a character of Chinese or Thai."""
    return split_hyphenated(fold(text))


def urls(text: str) -> list[str]:
    """The links as written, without punctuation after them; Markdown links and bare hosts too."""
    plain = _EMAIL.sub(" ", _ESCAPED.sub(r"\1", text))
    return [_without_punctuation(match.group()) for match in _URL.finditer(plain)]


def _without_punctuation(url: str) -> str:
    while url:
        last = url[-1]
        unpaired = last == ")" and url.count(")") > url.count("(")
        if last not in ".,;:!?…*_'’}।؟" and not unpaired:
            return url
        url = url[:-1]
    return url


def canonical_url(url: str) -> str:
    """One spelling per link: without scheme, www., trailing slash and case of the host."""
    plain = unquote(html.unescape(url))
    plain = re.sub(r"^(?:https?://)?(?:www\.)?", "", plain, flags=re.IGNORECASE)
    host, slash, path = plain.partition("/")
    return (host.casefold() + slash + path).rstrip("/")


def without_links(text: str) -> str:
    """The text without links and e-mail addresses."""
    return _URL.sub(" ", _EMAIL.sub(" ", _ESCAPED.sub(r"\1", text)))


def without_list_markers(text: str) -> str:
    """The text without `1.` or `2)` at the start of a line."""
    return _LIST_MARKER.sub("", text)


def numbers(text: str) -> set[str]:
    """The numbers in one spelling: 10 000 = 10,000, 3,5 = 3.5, 18:00 = 18.00 = 18, 09 = 9.

    Whole tokens: 2010 does not contain 10. Dates are split into parts, telephone numbers are not.
    Digits of every script count: ١٢ = १२ = 12.
    """
    text = _FOREIGN_DIGIT.sub(_ascii_digit, text)
    tokens: set[str] = set()

    def take(match: re.Match[str]) -> str:
        digits = re.sub(r"\D", "", match.group())
        tokens.add(digits[-10:] if match.re is _PHONE else digits)
        return " "

    rest = _THOUSANDS.sub(take, _PHONE.sub(take, text))
    for match in _NUMBER.finditer(rest):
        tokens.update(_canonical_numbers(match.group()))
    return tokens


def _ascii_digit(match: re.Match[str]) -> str:
    return {"٫": ".", "٬": ","}.get(match[0]) or str(unicodedata.digit(match[0]))


def _canonical_numbers(token: str) -> Iterator[str]:
    parts = re.split(r"[.,:]", token)
    if len(parts) == 2 and (":" not in token or len(parts[1]) == 2):
        fraction = parts[1].rstrip("0")
        yield (parts[0].lstrip("0") or "0") + (f".{fraction}" if fraction else "")
        return
    for part in parts:
        yield part.lstrip("0") or "0"


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
