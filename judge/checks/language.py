"""Whether every sentence of an answer is in its alphabet's language, special terms aside."""

import re
import unicodedata
from itertools import accumulate, groupby
from typing import NamedTuple

from data.sentences import sentences
from data.words import word_set
from judge.checks.links import without_links

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_ALPHABETS = {
    "cyrillic": re.compile(r"[\u0400-\u052f]"),
    "latin": re.compile(r"[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]"),
}
_RUSSIAN = frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
# Small words of which only sentences consist: with one of them a foreign run is no term.
_PROSE = word_set(
    """
    a an the is are was were be been am do does did have has had will would can could may might
    must shall should you your yours we our they their it its he she his her this that these
    those i my me to of in on at for from with by as if when while then than so but and or not
    no yes please thank thanks however also there here what which who how why where и в во не на
    я он она они мы вы что это как по но из у за так же от для до при или если бы есть был была
    были будет нет да уже только ещё еще также можно нужно надо этот эта эти ваш ваша вас вам
    """
)
_IN_NAMES = word_set("of the and for in on at de la du и в на по для при")
_TERM_WORDS = 3  # "natural language processing" inside a sentence of the other alphabet


class _Word(NamedTuple):
    text: str
    is_own: bool


def language_share(text: str, alphabet: str, prompt: str) -> float:
    """The share of letters in the alphabet in the worst sentence, 0 … 1.

    Code, links, addresses, names and abbreviations do not count, nor do short terms in a sentence.
    0 where no word is in the alphabet. A Cyrillic letter that Russian lacks makes its sentence
    foreign, unless the system prompt uses such letters itself.
    """
    plain = _CODE.sub(" ", without_links(unicodedata.normalize("NFC", text)))
    is_russian = alphabet == "cyrillic" and _RUSSIAN.issuperset(_cyrillic(prompt))
    counts = [_count(sentence, alphabet, is_russian) for sentence in sentences(plain)]
    own = sum(count.own for count in counts)
    if not own:
        return 0.0
    if own <= sum(count.terms for count in counts):  # then they are no terms in a text
        return own / sum(map(sum, counts))
    return min(
        count.own / (count.own + count.foreign) for count in counts if count.own + count.foreign
    )


class _Letters(NamedTuple):
    own: int
    foreign: int
    terms: int  # in small letters: "machine learning"


def _count(sentence: str, alphabet: str, is_russian: bool) -> _Letters:
    parsed = [_Word(word, _is_own(word, alphabet)) for word in _WORD.findall(sentence)]
    own = [word for word in parsed if word.is_own]
    letters = sum(len(word.text) for word in own)
    foreign, terms = _foreign_letters(parsed)
    if is_russian and not all(map(_is_russian, own)):
        return _Letters(0, letters + foreign, terms)
    return _Letters(letters, foreign, terms)


def _cyrillic(text: str) -> set[str]:
    return set(_ALPHABETS["cyrillic"].findall(text.casefold()))


def _is_own(word: str, alphabet: str) -> bool:
    letters = sum(map(str.isalpha, word))
    return 2 * len(_ALPHABETS[alphabet].findall(word)) > letters


def _is_russian(word: _Word) -> bool:
    """Names may have letters of their own language: Київ."""
    return word.text[:1].isupper() or _RUSSIAN.issuperset(_cyrillic(word.text))


def _foreign_letters(sentence: list[_Word]) -> tuple[int, int]:
    """The letters of foreign prose, and those of short terms in small letters."""
    has_own = any(word.is_own for word in sentence)
    prose = terms = 0
    for is_own, words in groupby(sentence, key=lambda word: word.is_own):
        run = [word.text for word in words]
        small = [] if is_own else _small_words(run)
        if not small:
            continue
        says = any(word.casefold() in _PROSE or not _has_case(word) for word in (*small, run[0]))
        if has_own and len(small) <= _TERM_WORDS and not says:
            terms += sum(map(len, small))
        else:
            prose += sum(map(len, run))
    return prose, terms


def _small_words(run: list[str]) -> list[str]:
    """The words without a capital, but for those inside a name: Faculty of Law."""
    after = accumulate(reversed(run), _last_telling)
    behind = [*[*reversed(list(after))][1:], ""]
    before = ["", *accumulate(run, _last_telling)]
    return [
        word
        for word, left, right in zip(run, before, behind, strict=False)
        if word == word.lower()
        and not (word in _IN_NAMES and left != left.lower() and right != right.lower())
    ]


def _last_telling(last: str, word: str) -> str:
    """The word, unless it is a small word of names, behind which the last one still counts."""
    return last if word in _IN_NAMES else word


def _has_case(word: str) -> bool:
    return word.lower() != word.upper()
