"""Links and e-mail addresses of a text, in one spelling however they are written.

Every pattern is linear in the length of the text.
"""

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from data.words import word_set

# East Asian text needs no space around a link: its letters end a host, and a path unless they begin
# a part of it (wiki/北京); its punctuation ends both.
_EAST = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3021-\ud7ff"
)
_HOST = rf"[^\W{_EAST}]"
_NO_URL = r"\s<>\[\]\"«»“”|`\\\u3000-\u3004\u3008-\u3020\uff01-\uff0f\uff1a-\uff20\uff3b-\uff65"
_REST = rf"(?:(?![,;]?(?:https?|ftp)://|(?<=[A-Za-z0-9])[{_EAST}])[^{_NO_URL}])"
_SCHEME = r"(?:(?:https?|hxxps?|ftp)://|(?<![A-Za-z])[a-z][a-z0-9+.-]{1,9}://)"
_LINK = re.compile(
    rf"(?P<url>(?:{_SCHEME}(?:\[[0-9a-f:.]+\])?|www\.){_REST}+"
    rf"|https?://\[[0-9a-f:.]+\])"
    rf"|(?P<email>(?<!{_HOST})(?<![.+%-])(?:{_HOST}|[.+%-])++@(?:{_HOST}|-)++(?:\.(?:{_HOST}|-)++)++)"
    rf"|(?P<host>(?<!{_HOST})(?<![@./-])(?:{_HOST}|-)++(?:\.(?:{_HOST}|-)++)++)"
    rf"(?P<rest>(?::\d{{1,5}})?(?:[/?#](?:(?!(?<=[A-Za-z0-9])[{_EAST}])[^{_NO_URL}])*)?)",
    re.IGNORECASE,
)
# A host without https:// and www. is known by its last part.
_HOST_ENDS = word_set(
    """
    ru рф su com org net edu gov io info me dev app ai uk de eu kz by ua test example xyz biz
    online site shop store cloud xn--p1ai
    """
)
# These are words, abbreviations or endings of files too, and count in front of a path only.
_ENDS_BEFORE_PATH = word_set(
    """
    ly gl be tv cc to gg co us fr it es pl cz fi se no nl ch at in cn jp kr br tr il am ge az uz
    kg lv lt ee club top pro link click page blog space tech live
    """
)
_ENDS_OF_NAMES = word_set("io ai net me dev app")  # Socket.io, ASP.NET: no links

_ESCAPED = re.compile(r"\\([_*()~-])")  # Markdown's, as models write it inside links
_DEFANGED = re.compile(r"\[\.\]|\(\.\)|\[dot\]", re.IGNORECASE)  # hse[.]ru
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_TRACKING = re.compile(r"(?:utm_\w+|gclid|yclid|ysclid|fbclid|_openstat)=", re.IGNORECASE)


class _Link(NamedTuple):
    start: int
    text: str
    is_email: bool


def urls(text: str) -> list[str]:
    """The links as written, without punctuation after them; Markdown links and bare hosts too."""
    return [link.text for link in _parsed(text).links if not link.is_email]


def emails(text: str) -> list[str]:
    """The e-mail addresses as written."""
    return [link.text for link in _parsed(text).links if link.is_email]


@lru_cache(maxsize=2048)  # a row's texts recur with every answer
def known_links(text: str) -> frozenset[str]:
    """The links of a source in one spelling, and its e-mail addresses in small letters."""
    return frozenset((*map(canonical_url, urls(text)), *map(str.casefold, emails(text))))


def without_links(text: str, replacement: str = " ") -> str:
    """The text without links and e-mail addresses."""
    plain, links = _parsed(text)
    parts, start = [], 0
    for link in links:
        parts += [plain[start : link.start], replacement]
        start = link.start + len(link.text)
    return "".join([*parts, plain[start:]])


class _Parsed(NamedTuple):
    plain: str  # the text without escapes and invisible characters
    links: tuple[_Link, ...]


@lru_cache(maxsize=8)  # several checks read an answer
def _parsed(text: str) -> _Parsed:
    plain = _plain(text)
    return _Parsed(plain, tuple(_links(plain)))


def _plain(text: str) -> str:
    plain = _ESCAPED.sub(r"\1", text) if "\\" in text else text
    plain = _INVISIBLE.sub("", plain)
    return _DEFANGED.sub(".", plain) if "[" in plain or "(.)" in plain else plain


def _links(text: str) -> Iterator[_Link]:
    if "." not in text and "//" not in text:
        return
    for match in _LINK.finditer(text):
        if match["email"]:
            yield _Link(match.start(), match[0], is_email=True)
        elif match["url"] or _is_host(match["host"], match["rest"]):
            yield _Link(match.start(), _without_punctuation(match[0]), is_email=False)


def _is_host(host: str, rest: str) -> bool:
    """Whether words with full stops between them are a host: hse.ru, bit.ly/x, not main.py."""
    labels = host.split(".")
    end = labels[-1].casefold()
    if end in _ENDS_BEFORE_PATH:
        return rest.startswith("/") and len(rest) > 1
    if end not in _HOST_ENDS:
        return False
    is_name = len(labels) == 2 and host[0].isupper() and end in _ENDS_OF_NAMES
    return not is_name or rest.startswith("/")


def _without_punctuation(url: str) -> str:
    unpaired = url.count(")") - url.count("(")
    end = len(url)
    while end:
        last = url[end - 1]
        if last == ")" and unpaired > 0:
            unpaired -= 1
        elif last not in ".,;:!?…*_'’}।؟":
            break
        end -= 1
    return url[:end]


def canonical_url(url: str) -> str:
    """One spelling per link.

    Without http(s)://, www., the default port, tracking parameters, a slash at the end and the case
    of the host; the host in its own letters instead of punycode.
    """
    plain = unquote(html.unescape(url))
    plain = re.sub(r"^(?:h(?:tt|xx)ps?://)?(?:www\.)?", "", plain, flags=re.IGNORECASE)
    end = next((place for place, sign in enumerate(plain) if sign in "/?#"), len(plain))
    host, rest = plain[:end].casefold(), plain[end:]
    host = re.sub(r"\.?(?::(?:80|443))?$", "", host)
    if "xn--" in host:
        host = _in_own_letters(host)
    return (host + _without_tracking(rest)).rstrip("/")


def _in_own_letters(host: str) -> str:
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:  # no punycode
        return host


def _without_tracking(rest: str) -> str:
    path, question, query = rest.partition("?")
    if not question or not _TRACKING.search(query):
        return rest
    query, hash_sign, fragment = query.partition("#")
    parameters = "&".join(part for part in query.split("&") if not _TRACKING.match(part))
    return path + (question + parameters if parameters else "") + hash_sign + fragment
