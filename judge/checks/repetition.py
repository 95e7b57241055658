"""What an answer says twice: sentences, items of lists, and runs of words in a loop."""

import re
from itertools import pairwise

from data.sentences import sentences
from judge.checks.links import without_links
from judge.checks.text import without_list_markers, words

# How often a run of so many words must follow itself to be a loop: "very very" is none.
_LOOPS = ((1, 4), (2, 3), (3, 3), (4, 2))
_LONGEST_LOOP = 40  # words
_LABEL = re.compile(r"\w:\s*\w")
_LABEL_WORDS = 6  # "Deadline: May." may be said of two things


def repetition(answer: str) -> str | None:
    """The first sentence or run of words that is said twice; None: nothing is."""
    plain = without_links(without_list_markers(answer))  # [https://a.ru](https://a.ru) is no loop
    return _repeated_sentence(answer) or _loop(words(plain))


def _repeated_sentence(answer: str) -> str | None:
    before: dict[str, str] = {}  # sentence → the one before it
    previous = ""
    for sentence in sentences(without_list_markers(answer)):
        folded = " ".join(words(sentence))
        if not folded or folded.isdigit():  # "1. Bring a card. 2. Bring a photo."
            continue
        if folded in before and not _is_value(sentence, before[folded], previous):
            return sentence
        if len(folded) > 3:  # not "да" and pieces such as "1"
            before.setdefault(folded, previous)
        previous = folded
    return None


def _is_value(sentence: str, first_before: str, before: str) -> bool:
    """Whether the sentence is the same value of two things: "Master: … Deadline: May."."""
    is_short = _LABEL.search(sentence) is not None and len(words(sentence)) <= _LABEL_WORDS
    return is_short and before not in (first_before, " ".join(words(sentence)))


def _loop(text: list[str]) -> str | None:
    """A run of words that follows itself at once; the time grows with the text's length only."""
    pairs = list(pairwise(text))
    if len(set(pairs)) == len(pairs):  # every loop repeats a pair, most answers none
        return None
    for size in range(1, _LONGEST_LOOP + 1):
        times = next(times for least, times in reversed(_LOOPS) if size >= least)
        same = 0
        for place in range(size, len(text)):
            same = same + 1 if text[place] == text[place - size] else 0
            if same >= size * (times - 1):
                return " ".join(text[place - size + 1 : place + 1])
    return None
