"""The length of an answer in words and sentences, as a person counts them."""

import re

from data.sentences import sentences
from judge.checks.links import without_links
from judge.checks.number_mentions import PHONE
from judge.checks.text import words

_ITEM = re.compile(r"[ \t]*(?:[-*•+–—·▪◦][ \t]+|[*_]*\d{1,3}[.)][*_]*[ \t]+)")
_ENDED = re.compile(r"[.!?…।॥؟۔።။。！？\u2600-\u27bf\U0001f300-\U0001faff][\"»”’'*_`)\]\ufe0f]*$")
# Inside one word: don't, 3.5, 18:00, 1 000 000
_IN_A_WORD = re.compile(
    r"(?<=[^\W\d_])['’](?=(?:s|t|re|ve|ll|d|m)\b)"
    r"|(?<=\d)[.,:](?=\d)"
    r"|(?<=\d)[ \u00a0\u2009\u202f](?=\d{3}(?!\d))",
    re.IGNORECASE,
)


def word_count(text: str) -> int:
    """The number of words; a link, a telephone number, 1 000 000 and "don't" are one each."""
    plain = PHONE.sub(" 0 ", without_links(text, " link "))
    return len(words(_IN_A_WORD.sub("", plain)))


def sentence_count(text: str) -> int:
    """The number of sentences.

    A list whose items end with no mark is one sentence, with the line that leads into it.
    """
    count, is_open = 0, False
    for line in without_links(text, " link ").split("\n"):
        item = _ITEM.match(line)
        body = line[item.end() :] if item else line
        parts = [part for part in sentences(body) if sum(map(str.isalpha, part)) > 1]
        if not parts:
            continue
        goes_on = is_open and (item is not None or body.lstrip()[:1].islower())
        count += len(parts) - goes_on
        is_open = not _ENDED.search(parts[-1])
    return count
