"""Texts that make slow patterns slow, of any length, for times of the checks and their tests."""

from collections.abc import Mapping

# Each is repeated up to the length. A pattern whose time grows with the square of a text meets its
# worst case on one of a few forms: a long run of what it repeats, or a beginning that never ends.
UNITS: Mapping[str, str] = {
    "one letter": "а",
    "nested <|": "<|",
    "brackets [": "[",
    "brackets (((": "(",
    "digits": "1",
    "digits in groups": "123 ",
    "dots": ".",
    "links half-written": "http://",
    "hosts half-written": "a.b-",
    "addresses half-written": "a+b@c.",
    "asterisks": "**",
    "spaces": " ",
    "line breaks": "\n",
    "combining marks": "\u0301",
    "emoji joined": "👩\u200d👩\u200d👧\u200d👦",
    "mixed alphabets": "аa",
    "short words": "и a ",
    "names": "Анна Ивановна и Jane Roe, ",
    "initials": "И. О. ",
    "number words": "сто один ",
    "sentences": "Да нет. No. ",
    "negations": "Зал не открыт в пять часов. ",
    "backticks": "`a",
    "quotes": "\"'",
    "Chinese": "北京。",
    "dates": "1 и 2, ",
    "phones": "+7 (495) ",
}


def hostile_text(unit: str, characters: int) -> str:
    """`unit` repeated to this length."""
    return (unit * (characters // len(unit) + 1))[:characters]
