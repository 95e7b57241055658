"""Roman numerals in Arabic digits: глава IV, Section II, XXI век.

Up to 39, as texts count chapters, centuries and semesters. A single letter is a numeral only beside
a word that is counted: "I" is a pronoun, "X" a name.
"""

import re

_COUNTED = (
    "глав|раздел|част|том|курс|семестр|модул|квартал|ступен|этап|степен|век|столет|тур|поток|пункт"
    "|приложени|chapter|section|part|volume|title|article|phase|stage|appendix|term|semester|century"
)
_ROMAN = re.compile(
    r"(?<![\w.])(?=[IVX]{2})X{0,3}(?:IX|IV|V?I{0,3})(?!\w)"
    rf"|(?:(?<=\s)|(?<=^))[IVX](?=\s+(?i:{_COUNTED}))"
    rf"|\b(?i:(?:{_COUNTED})[^\W\d_]{{0,4}})\s+[IVX](?![\w'’])"
)
_VALUES = {"I": 1, "V": 5, "X": 10}


def in_arabic(text: str) -> str:
    """The text with its Roman numerals in digits."""
    return _ROMAN.sub(_replaced, text)


def _replaced(match: re.Match[str]) -> str:
    name, blank, numeral = re.split(r"(\s*)(?=[IVX]+$)", match[0], maxsplit=1)
    values = [_VALUES[letter] for letter in numeral]
    total = sum(
        -value if value < max(values[place:]) else value for place, value in enumerate(values)
    )
    return f"{name}{blank}{total}"
