"""How much of an answer's words its sources hold, and whether it denies what they say."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from data.sentences import sentences
from data.words import is_character, split_hyphenated, split_terms, word_set
from judge.checks.text import fold

_STEM = 5  # words with the same first letters count as forms of one word
_MIN_LETTERS = 4  # shorter words are compared only where the answer has no other
# Shares of an answer sentence's words in a sentence of a source, and of that one's words in it:
# the two say the same, or one denies the other.
_SAME = 0.75
_SAME_BACK = 0.6
_LEAST_WORDS = 3  # of a sentence that can deny another
_MOST_COMPARED = 1_000_000  # pairs of sentences, in half a second; long rows have thousands
# Conjunctions say nothing of their own: where the sources lack them, they do not count.
_CONJUNCTIONS = word_set("чтобы если когда также либо потому поэтому")
_NEGATIONS = word_set(
    """
    не нет ни нельзя никогда без not no never cannot nor without neither
    """
)


class Grounding(NamedTuple):
    """How an answer stands to its sources."""

    share: float  # of its words that the sources hold
    unknown: tuple[str, ...]  # the other words
    words: tuple[str, ...]  # those that were compared
    denied: str | None  # a sentence that denies one of the sources
    all_compared: bool = True  # False: too many sentences, a denial may be overlooked


def ground(answer: str, sources: Sequence[str]) -> Grounding:
    """Compares an answer, without the fixed phrases, with its sources.

    An answer without words has the share 0.
    """
    known: set[str] = set().union(*map(_stems, sources))
    compared = _compared(fold(answer))
    unknown = [w for w in compared if w[:_STEM] not in known and w not in _CONJUNCTIONS]
    counted = [word for word in compared if word[:_STEM] in known or word not in _CONJUNCTIONS]
    share = 1 - len(unknown) / len(counted) if counted else 0.0
    denied, all_compared = _denied(answer, sources)
    return Grounding(share, tuple(unknown), tuple(counted), denied, all_compared)


@lru_cache(maxsize=2048)  # a row's texts recur with every answer
def _stems(text: str) -> frozenset[str]:
    folded = fold(text)
    return frozenset(term[:_STEM] for term in (*split_hyphenated(folded), *split_terms(folded)))


def _compared(folded: str) -> list[str]:
    terms = split_terms(folded)
    longer = [t for t in terms if len(t) >= _MIN_LETTERS or t.isdigit() or is_character(t)]
    return longer or terms


class _Sentence(NamedTuple):
    stems: frozenset[str]
    denies: bool


@lru_cache(maxsize=2048)
def _source_sentences(text: str) -> tuple[_Sentence, ...]:
    """The different sentences of a source: one that is repeated is compared once."""
    return tuple(dict.fromkeys(map(_parsed, sentences(text))))


def _parsed(sentence: str) -> _Sentence:
    terms = split_hyphenated(fold(sentence.replace("n't", " not").replace("n’t", " not")))
    denies = not _NEGATIONS.isdisjoint(terms[1:] if terms[:1] in (["no"], ["нет"]) else terms)
    stems = (t[:_STEM] for t in terms if len(t) >= _MIN_LETTERS or t.isdigit())
    return _Sentence(frozenset(stems).difference(_NEGATION_STEMS), denies)


_NEGATION_STEMS = frozenset(word[:_STEM] for word in _NEGATIONS)


def _denied(answer: str, sources: Sequence[str]) -> tuple[str | None, bool]:
    """The first sentence that is a source's sentence with a negation, where none says it so.

    False: not all sentences were compared, as there are too many.
    """
    by_content: dict[_Sentence, str] = {}  # in order; one that is repeated is compared once
    for sentence in sentences(answer):
        by_content.setdefault(_parsed(sentence), sentence)
    others = list(dict.fromkeys(other for text in sources for other in _source_sentences(text)))
    left = _MOST_COMPARED
    for parsed, sentence in by_content.items():
        if not parsed.denies or len(parsed.stems) < _LEAST_WORDS:
            continue
        left -= len(others)
        if left < 0:
            return None, False
        closest = list(_closest(parsed, others))
        if closest and not any(other.denies for other in closest):
            return sentence, True
    return None, True


def _closest(sentence: _Sentence, others: Iterable[_Sentence]) -> Iterator[_Sentence]:
    """The source sentences of nearly the same words."""
    for other in others:
        shared = len(sentence.stems & other.stems)
        if shared >= max(_SAME * len(sentence.stems), _SAME_BACK * len(other.stems)):
            yield other
