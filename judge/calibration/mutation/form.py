"""Mutation operators for rules of form: alphabet, phrases, patterns, length, repetition, JSON.

An operator writes what people would call a violation, whatever the check detects.
"""

import re

from judge.calibration.mutation.case import (
    MutationCase,
    MutationOperator,
    comply,
    insert_sentence,
    is_russian,
)
from judge.checks.text import fold, words
from prompts.check_settings import Bare, Length, Pattern, Phrase, ScriptShare
from prompts.rules import sentences

_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
_LATIN = "abvgdejziyklmnoprstufhcxwqiieuaqe"
_TO_LATIN = str.maketrans(_RUSSIAN + _RUSSIAN.upper(), _LATIN + _LATIN.upper())
_ENGLISH = "abcdefghijklmnopqrstuvwxyz"
_CYRILLIC = "абцдефгхижклмнопкрстуввхйз"
_TO_CYRILLIC = str.maketrans(_ENGLISH + _ENGLISH.upper(), _CYRILLIC + _CYRILLIC.upper())


def _foreign_sentence(demand: ScriptShare, case: MutationCase) -> str:
    foreign = {
        "cyrillic": "Please turn to the study office of your programme for everything else.",
        "latin": "По всем остальным вопросам обратитесь в учебный офис своей программы.",
    }
    return insert_sentence(case.answer, foreign[demand.alphabet])


def _transliterated(demand: ScriptShare, case: MutationCase) -> str:
    return case.answer.translate(_TO_LATIN if demand.alphabet == "cyrillic" else _TO_CYRILLIC)


# -- fixed phrases -----------------------------------------------------------------------------
def _phrase_at(phrase: str) -> re.Pattern[str]:
    """Matches the phrase whatever its quotes, dashes, spaces and ё."""
    parts = [re.escape(word).replace("е", "[её]") for word in words(phrase)]
    return re.compile(r"[\"«]?" + r"\W+".join(parts) + r"[.?!:]*", re.IGNORECASE)


def _removed(demand: Phrase, case: MutationCase) -> str:
    return _phrase_at(demand.text).sub("", case.answer).strip()


def _word_dropped(demand: Phrase, case: MutationCase) -> str | None:
    tokens = demand.text.split()
    if len(tokens) < 2:
        return None
    shorter = " ".join([*tokens[:-2], tokens[-1]])
    return _phrase_at(demand.text).sub(lambda _: shorter, case.answer).strip()


def _text_before(demand: Phrase, case: MutationCase) -> str:
    return f"{'Здравствуйте.' if is_russian(case.answer) else 'Hello there.'} {case.answer}"


def _text_after(demand: Phrase, case: MutationCase) -> str:
    return f"{case.answer} {'Удачи в учёбе!' if is_russian(case.answer) else 'Good luck with it!'}"


def _other_answer(demand: object, case: MutationCase) -> str | None:
    return case.other if fold(case.other) != fold(case.answer) else None


# -- patterns ----------------------------------------------------------------------------------
def _pattern_removed(demand: Pattern, case: MutationCase) -> str:
    """Removes every match. An expression that forbids text matches nothing that can be removed."""
    answer, previous = case.answer, ""
    while answer != previous:
        answer, previous = re.sub(demand.pattern, "", answer), answer
    return answer


# -- length ------------------------------------------------------------------------------------
def _filler(case: MutationCase, count: int) -> str:
    """A sentence of `count` words of the row."""
    row_words = [word for word in words(case.sources) if word.isalpha() and len(word) > 3]
    pool = row_words or ["слово" if is_russian(case.answer) else "word"]
    return " ".join(pool[place % len(pool)] for place in range(count)).capitalize() + "."


def _words_over(demand: Length, case: MutationCase) -> str | None:
    if demand.max_words is None:
        return None
    over = demand.max_words + 1 - len(words(case.answer))
    return insert_sentence(case.answer, _filler(case, over))


def _sentences_over(demand: Length, case: MutationCase) -> str | None:
    if demand.max_sentences is None:
        return None
    answer = case.answer
    for count in range(demand.max_sentences):
        answer = insert_sentence(answer, _filler(case, 3 + count))
    return answer


# -- repetition, JSON --------------------------------------------------------------------------
def _longest(answer: str) -> str:
    """The longest sentence without its final punctuation."""
    return max(sentences(answer), key=len).rstrip(".!?:; ")


def _repeated(demand: Bare, case: MutationCase) -> str:
    return insert_sentence(case.answer, f"{_longest(case.answer)}.")


def _repeated_in_capitals(demand: Bare, case: MutationCase) -> str:
    return insert_sentence(case.answer, f"{_longest(case.answer).upper()}!")


def _json_cut(demand: Bare, case: MutationCase) -> str:
    return case.answer.rstrip()[:-1]


def _json_prefixed(demand: Bare, case: MutationCase) -> str:
    return f"Here it is: {case.answer}"


def _phrase_inserted(demand: Phrase, case: MutationCase) -> str:
    return comply(demand, case.answer)


CONVERSE_OPERATORS: dict[str, dict[str, MutationOperator]] = {
    kind: {"phrase inserted": _phrase_inserted}
    for kind in ("starts_with", "ends_with", "contains", "equals")
}

FORM_OPERATORS: dict[str, dict[str, MutationOperator]] = {
    "script_share": {
        "a sentence in another alphabet": _foreign_sentence,
        "transliterated": _transliterated,
    },
    "starts_with": {
        "phrase removed": _removed,
        "a word of the phrase dropped": _word_dropped,
        "text before the phrase": _text_before,
    },
    "ends_with": {
        "phrase removed": _removed,
        "a word of the phrase dropped": _word_dropped,
        "text after the phrase": _text_after,
    },
    "contains": {"phrase removed": _removed, "a word of the phrase dropped": _word_dropped},
    "equals": {
        "a word of the phrase dropped": _word_dropped,
        "text after the phrase": _text_after,
        "another answer": _other_answer,
    },
    "regex": {
        "matches removed": _pattern_removed,
    },
    "length": {"one word too many": _words_over, "sentences too many": _sentences_over},
    "no_repetition": {
        "a sentence repeated": _repeated,
        "a sentence repeated in capitals": _repeated_in_capitals,
    },
    "json": {"truncated": _json_cut, "text before the JSON": _json_prefixed},
}
