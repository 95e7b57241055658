"""Fragments of a fixed sentence in an answer that does not say the sentence.

A student that learnt "This is urgent: call 112 now." may begin other answers with "This is urgent:"
and pass every rule.
"""

from collections.abc import Iterator, Sequence

from data.words import is_character
from judge.checks.text import fold, words

# Words of a run that is no chance. In 869 pairs of one of the demo's val answers and a rule that is
# not due, three words find nothing; in 1,791 of the teacher's candidates they find 6, such as "I
# could not find the soup". Two words find 4 more there, by chance ("questions about").
_LEAST = 3
_CHARACTER = 0.5  # of a word, in scripts without spaces

_Words = tuple[str, ...]


def sentence_fragment(
    sentence: str, answer: str, expected: Sequence[str], sources: Sequence[str]
) -> str | None:
    """The longest run of the sentence's words in the answer; None when it is short.

    `expected`: fixed texts that the answer should hold, which are cut out of it before. A run that
    occurs in one of them or in the `sources` (question, passages) is no fragment.
    """
    parts = [fold(answer)]
    for text in filter(None, map(fold, expected)):
        parts = [piece for part in parts for piece in part.split(text)]
    in_answer = [tuple(words(part)) for part in parts]
    whole = tuple(words(sentence))
    if not any(_share_runs(whole, part) for part in in_answer):
        return None
    elsewhere = [tuple(words(text)) for text in (*expected, *sources)]
    for run in _runs(whole):
        is_said = any(_holds(part, run) for part in in_answer)
        if is_said and not any(_holds(text, run) for text in elsewhere):
            return " ".join(run)
    return None


def _share_runs(first: _Words, second: _Words) -> bool:
    """Whether the two share `_LEAST` words in a row: most texts do not, so the search ends here."""
    runs = {first[start : start + _LEAST] for start in range(len(first) - _LEAST + 1)}
    return any(second[start : start + _LEAST] in runs for start in range(len(second) - _LEAST + 1))


def _runs(sentence: _Words) -> Iterator[_Words]:
    """The runs of words that are long enough, the longest first."""
    for size in range(len(sentence), _LEAST - 1, -1):
        for start in range(len(sentence) - size + 1):
            run = sentence[start : start + size]
            if sum(_CHARACTER if is_character(word) else 1 for word in run) >= _LEAST:
                yield run


def _holds(text: _Words, run: _Words) -> bool:
    size = len(run)
    return any(text[start : start + size] == run for start in range(len(text) - size + 1))
