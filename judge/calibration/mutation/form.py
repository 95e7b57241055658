"""Ways to break the rules of form: alphabet, fixed phrases, patterns, length, repetition, JSON.

A breaker knows what people would call a breach, not how the check finds one.
"""

import re

from judge.calibration.mutation.case import Breaker, MutationCase, obeyed, russian, with_sentence
from judge.calibration.mutation.regex import forbidden, without_matches
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
    return with_sentence(case.answer, foreign[demand.alphabet])


def _transliterated(demand: ScriptShare, case: MutationCase) -> str:
    return case.answer.translate(_TO_LATIN if demand.alphabet == "cyrillic" else _TO_CYRILLIC)


# -- fixed phrases -----------------------------------------------------------------------------
def _phrase_at(phrase: str) -> re.Pattern[str]:
    """Where a phrase stands in a text, however its quotes, dashes, spaces and ё are written."""
    parts = [re.escape(word).replace("е", "[её]") for word in words(phrase)]
    return re.compile(r"[\"«]?" + r"\W+".join(parts) + r"[.?!:]*", re.IGNORECASE)


def _removed(demand: Phrase, case: MutationCase) -> str:
    return _phrase_at(demand.text).sub("", case.answer).strip()


def _word_dropped(demand: Phrase, case: MutationCase) -> str | None:
    said = demand.text.split()
    if len(said) < 2:
        return None
    shorter = " ".join([*said[:-2], said[-1]])
    return _phrase_at(demand.text).sub(lambda _: shorter, case.answer).strip()


def _something_before(demand: Phrase, case: MutationCase) -> str:
    return f"{'Здравствуйте.' if russian(case.answer) else 'Hello there.'} {case.answer}"


def _something_behind(demand: Phrase, case: MutationCase) -> str:
    return f"{case.answer} {'Удачи в учёбе!' if russian(case.answer) else 'Good luck with it!'}"


def _other_answer(demand: object, case: MutationCase) -> str | None:
    return case.other if fold(case.other) != fold(case.answer) else None


# -- patterns ----------------------------------------------------------------------------------
def _pattern_removed(demand: Pattern, case: MutationCase) -> str | None:
    return None if forbidden(demand.pattern) else without_matches(demand.pattern, case.answer)


def _pattern_said(demand: Pattern, case: MutationCase) -> str | None:
    texts = forbidden(demand.pattern)
    return with_sentence(case.answer, f"{texts[case.number % len(texts)]}.") if texts else None


# -- length ------------------------------------------------------------------------------------
def _filler(case: MutationCase, count: int) -> str:
    """So many words of the row as one sentence."""
    own = [word for word in words(case.sources) if word.isalpha() and len(word) > 3]
    pool = own or ["слово" if russian(case.answer) else "word"]
    return " ".join(pool[place % len(pool)] for place in range(count)).capitalize() + "."


def _words_over(demand: Length, case: MutationCase) -> str | None:
    if demand.max_words is None:
        return None
    over = demand.max_words + 1 - len(words(case.answer))
    return with_sentence(case.answer, _filler(case, over))


def _sentences_over(demand: Length, case: MutationCase) -> str | None:
    if demand.max_sentences is None:
        return None
    answer = case.answer
    for count in range(demand.max_sentences):
        answer = with_sentence(answer, _filler(case, 3 + count))
    return answer


# -- repetition, JSON --------------------------------------------------------------------------
def _longest(answer: str) -> str:
    """The longest sentence without its end mark."""
    return max(sentences(answer), key=len).rstrip(".!?:; ")


def _said_twice(demand: Bare, case: MutationCase) -> str:
    return with_sentence(case.answer, f"{_longest(case.answer)}.")


def _said_twice_loudly(demand: Bare, case: MutationCase) -> str:
    return with_sentence(case.answer, f"{_longest(case.answer).upper()}!")


def _json_cut(demand: Bare, case: MutationCase) -> str:
    return case.answer.rstrip()[:-1]


def _json_introduced(demand: Bare, case: MutationCase) -> str:
    return f"Here it is: {case.answer}"


def _obeyed(demand: Phrase, case: MutationCase) -> str:
    return obeyed(demand, case.answer)


UNDUE: dict[str, dict[str, Breaker]] = {
    kind: {"phrase said": _obeyed} for kind in ("starts_with", "ends_with", "contains", "equals")
}

BREAKERS: dict[str, dict[str, Breaker]] = {
    "script_share": {
        "a sentence in another alphabet": _foreign_sentence,
        "all in another alphabet": _transliterated,
    },
    "starts_with": {
        "phrase removed": _removed,
        "a word of the phrase dropped": _word_dropped,
        "something in front": _something_before,
    },
    "ends_with": {
        "phrase removed": _removed,
        "a word of the phrase dropped": _word_dropped,
        "something behind": _something_behind,
    },
    "contains": {"phrase removed": _removed, "a word of the phrase dropped": _word_dropped},
    "equals": {
        "a word of the phrase dropped": _word_dropped,
        "something behind": _something_behind,
        "another answer": _other_answer,
    },
    "regex": {
        "what is asked for removed": _pattern_removed,
        "what is forbidden said": _pattern_said,
    },
    "length": {"one word too many": _words_over, "sentences too many": _sentences_over},
    "no_repetition": {"a sentence twice": _said_twice, "twice in capitals": _said_twice_loudly},
    "json": {"cut": _json_cut, "words in front": _json_introduced},
}
