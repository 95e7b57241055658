"""The numbers of a text, in one spelling however they are written.

10 000 = 10,000 = 10 тысяч = ten thousand, 3,5 = 3.5, 18:00 = 6 pm = 18, 09 = 9, IV = 4, ½ = 0.5.
Dates are a day with its month, so 15 December is not 15 November. Every pattern is linear.
"""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from judge.checks.links import without_links
from judge.checks.number_words import in_digits
from judge.checks.roman_numerals import in_arabic

PHONE = re.compile(
    r"(?<![\d.,])(?:\+?[78][\s-]?)?\(?\d{3}\)?[\s-]{0,2}\d{3}[\s-]\d{2}[\s-]?\d{2}(?!\d)"
    r"|(?<![\d.,])(?:\+7|8)\d{10}(?!\d)"
    r"|\+\d(?:[\s()-]{0,2}\d){8,14}(?!\d)"
    r"|(?<![\d.,-])\d{3}-\d{2}-\d{2}(?![\d-])"
    r"|(?<![\d.,-])0\d{2,4}[ -]\d{3,4}[ -]\d{3,4}(?![\d-])"
    r"|(?<![\d.,-])\(?\d{3}\)?[ -]\d{3}-\d{4}(?![\d-])"
)
_MONTHS = (  # each with its number; English ones are capitals: "may" is a word
    r"янв(?:\.|ар[ьяе])|фев(?:\.|рал[ьяе])|мар(?:\.|та?|те)|апр(?:\.|ел[ьяе])|ма[йяе]|июн[ьяе]"
    r"|июл[ьяе]|авг(?:\.|уста?|усте)|сен(?:т?\.|тябр[ьяе])|окт(?:\.|ябр[ьяе])"
    r"|ноя(?:б?\.|бр[ьяе])|дек(?:\.|абр[ьяе])",
    r"Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?|July?|Aug(?:ust|\.)?"
    r"|Sept?(?:ember|\.)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?",
)
_MONTH_NUMBERS = {
    name: number
    for names in (
        "янв фев мар апр ма июн июл авг сен окт ноя дек",
        "jan feb mar apr may jun jul aug sep oct nov dec",
    )
    for number, name in enumerate(names.split(), 1)
}
_TH = r"(?:-?(?:го|ое|ым|му|е|й|st|nd|rd|th)\b)?"
_UNTIL = r"\s*(?:-|по|до|и|или|to|and|or|,)\s*"
_MENTION = re.compile(
    rf"(?P<phone>{PHONE.pattern})"
    r"|(?<![\d-])(?P<year>\d{4})-(?P<iso>\d{2}-\d{2})(?![\d-])"
    r"|(?<![\d./])(?P<numeric>\d{1,2}(?P<point>[./])\d{1,2})(?P=point)(?P<year2>\d{4})(?![\d/])"
    rf"|(?<![\d.,:])(?P<days>\d{{1,2}}{_TH}(?:{_UNTIL}(?:с\s+)?\d{{1,2}}{_TH}){{0,4}})\s+(?:of\s+)?"
    rf"(?P<month>(?i:{_MONTHS[0]})(?!\w)|(?:{_MONTHS[1]})(?!\w))"
    rf"|\b(?P<month_first>{_MONTHS[1]})\s+(?P<day>\d{{1,2}}){_TH}(?![\d:]|[.,]\d)"
    r"|(?P<number>(?<![\d.,:])[1-9]\d{0,2}(?:(?P<comma>[ \u00a0\u2009\u202f'’,.])\d{3})"
    r"(?:(?P=comma)\d{3}){0,6}(?!\d)(?:[.,]\d{1,2}(?!\d))?"
    r"|\d+(?:[.,:]\d+)*+)"
    r"(?:[ \u00a0]?(?P<times>(?i:тыс(?:\.|яч[а-я]*)?|млн|миллион[а-я]*|млрд|миллиард[а-я]*)(?!\w)"
    r"|(?:thousand|million|billion|k)(?!\w))"
    r"|[ \u00a0]?(?P<half>(?i:[ap]\.?m\b\.?|(?:час[а-я]*[ \u00a0])?вечера\b"
    r"|час[а-я]*[ \u00a0]дня\b)))?"
)
# By the beginning of the word.
_POWERS = {"т": 3, "t": 3, "k": 3, "миллио": 6, "млн": 6, "m": 6, "миллиа": 9, "млрд": 9, "b": 9}
_RANGE = re.compile(r"(?<![\d.,:-])(\d{1,4})[ \u00a0]?-[ \u00a0]?(\d{1,4})(?![\d.,:-])")
_MOST_BETWEEN = 5  # courses 2-4 include course 3; between 9:00-18:00 nothing is counted
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")
_SPECIAL_DIGIT = re.compile(r"(?![0-9])[\d٫٬¼-¾⅐-ⅿⅰ-ↂ①-⑳]")
_DECIMALS = re.compile(r"[.,](\d{1,2})$")
_LONGEST = 18  # digits of a number that is multiplied


class NumberMention(NamedTuple):
    """A number as a text says it."""

    text: str  # as written
    readings: tuple[str, ...]  # what it may mean, most likely first
    implied: tuple[str, ...] = ()  # what else is said with it: the day of a date


def numbers(text: str) -> set[str]:
    """The numbers of a text, each as it is most likely meant; links do not count.

    Whole ones: 2010 does not contain 10. A date gives "day/month" and its year, a telephone number
    its last ten digits. Digits of every script count: ١٢ = १२ = 12.
    """
    return {mention.readings[0] for mention in number_mentions(text)}


def unknown_numbers(text: str, known: frozenset[str]) -> list[str]:
    """The numbers of a text, as written, that are not among the known ones."""
    unknown = (m.text for m in number_mentions(text) if known.isdisjoint(m.readings))
    return sorted(set(unknown))


@lru_cache(maxsize=2048)  # a row's texts recur with every answer
def known_numbers(text: str) -> frozenset[str]:
    """Every number that a source says or implies, in all readings."""
    known: set[str] = set()
    plain = _prepared(text, every=True)
    for mention in _mentions(plain):
        known.update(mention.readings, mention.implied)
    for match in _RANGE.finditer(plain):
        first, last = int(match[1]), int(match[2])
        if last - first <= _MOST_BETWEEN:
            known.update(map(str, range(first, last + 1)))
    return frozenset(known)


def number_mentions(text: str) -> list[NumberMention]:
    """The numbers of a text in order, in digits, words or Roman numerals."""
    return list(_mentions(_prepared(text, every=False)))


def _prepared(text: str, every: bool) -> str:
    plain = without_links(text).translate(_DASHES)
    plain = _SPECIAL_DIGIT.sub(_ascii_number, plain)
    return in_arabic(in_digits(plain, every))


def _ascii_number(match: re.Match[str]) -> str:
    sign = match[0]
    if sign in "٫٬":  # the Arabic marks of fractions and thousands
        return "." if sign == "٫" else ","
    value = unicodedata.numeric(sign)
    return f"{value:g}"


def _mentions(text: str) -> Iterator[NumberMention]:
    for match in _MENTION.finditer(text):
        if match["phone"]:
            digits = re.sub(r"\D", "", match[0])
            yield NumberMention(match[0].strip(), (digits[-10:],), (digits[-7:],))
        elif match["iso"]:
            month, day = match["iso"].split("-")
            yield from _date(match, ((day, month),), match["year"])
        elif match["numeric"]:
            first, second = match["numeric"].split(match["point"])
            yield from _date(match, ((first, second), (second, first)), match["year2"])
        elif match["number"]:
            yield from _plain(match)
        else:
            month = str(_month_number(match["month"] or match["month_first"]))
            for day in re.findall(r"\d+", match["days"] or match["day"]):
                yield from _date(match, ((day, month),), "")


def _month_number(name: str) -> int:
    folded = name.casefold()
    return _MONTH_NUMBERS.get(folded[:3]) or _MONTH_NUMBERS[folded[:2]]


def _date(
    match: re.Match[str], pairs: tuple[tuple[str, str], ...], year: str
) -> Iterator[NumberMention]:
    """A date in its possible orders of day and month; the numbers in it if it can be none."""
    ints = [(int(day), int(month)) for day, month in pairs]
    dates = [f"{day}/{month}" for day, month in ints if 1 <= day <= 31 and 1 <= month <= 12]
    parts = tuple(map(str, ints[0]))
    if dates:
        yield NumberMention(match[0], tuple(dates), parts)
    else:
        yield from (NumberMention(match[0], (part,)) for part in parts)
    if year:
        yield NumberMention(match[0], (year,))


def _plain(match: re.Match[str]) -> Iterator[NumberMention]:
    """A number with its decimals, thousands or minutes; several, where it has more parts."""
    token = match["number"]
    parts = re.split(r"[.,:]", token)
    if match["comma"]:
        decimals = _DECIMALS.search(token)
        whole = token[: decimals.start()] if decimals else token
        value = _canonical(re.sub(r"\D", "", whole), decimals[1] if decimals else "")
    elif len(parts) == 1 or (len(parts) == 2 and (":" not in token or len(parts[1]) == 2)):
        value = _canonical(parts[0], parts[1] if len(parts) == 2 else "")
    else:
        yield from (NumberMention(token, (_canonical(part, ""),)) for part in parts)
        return
    readings = [value]
    if match["times"] and len(token) <= _LONGEST:
        power = next(p for name, p in _POWERS.items() if match["times"].casefold().startswith(name))
        readings = [f"{(Decimal(value) * 10**power).normalize():f}"]
    elif match["half"] and not match["half"].casefold().startswith("a"):
        readings = [_afternoon(value), value]
    elif _is_day_and_month(token, parts):
        readings.append(f"{int(parts[0])}/{int(parts[1])}")
    yield NumberMention(match[0].strip(), tuple(readings))


def _canonical(whole: str, fraction: str) -> str:
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def _afternoon(time: str) -> str:
    hour, point, minutes = time.partition(".")
    return f"{int(hour) + 12}{point}{minutes}" if len(hour) < 3 and int(hour) < 12 else time


def _is_day_and_month(token: str, parts: list[str]) -> bool:
    """Whether 15.12 may be a date."""
    return (
        len(parts) == 2
        and "." in token
        and max(map(len, parts)) <= 2
        and 1 <= int(parts[0]) <= 31
        and 1 <= int(parts[1]) <= 12
    )
