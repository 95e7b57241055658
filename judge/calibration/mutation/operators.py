"""Mutation operators: each breaks one kind of check in an answer that passes it.

An operator writes what people would call a violation, whatever the check detects.
"""

import re
import unicodedata

from data.bounded_regex import without_matches
from data.sentences import sentences
from judge.calibration.mutation.case import (
    MutationCase,
    MutationOperator,
    comply,
    insert_sentence,
    is_russian,
)
from judge.checks.length import word_count
from judge.checks.links import emails, urls
from judge.checks.number_mentions import known_numbers
from judge.checks.text import fold, words
from prompts.check_settings import Length, NoLeak, Pattern, Phrase, ScriptShare, Sourced

_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюяё"
_LATIN = "abvgdejziyklmnoprstufhcxwqiieuaqe"
_TO_LATIN = str.maketrans(_RUSSIAN + _RUSSIAN.upper(), _LATIN + _LATIN.upper())
_ENGLISH = "abcdefghijklmnopqrstuvwxyz"
_CYRILLIC = "абцдефгхижклмнопкрстуввхйз"
_TO_CYRILLIC = str.maketrans(_ENGLISH + _ENGLISH.upper(), _CYRILLIC + _CYRILLIC.upper())
_FOREIGN_URL = "https://elsewhere.example/help"


def _insert(case: MutationCase, russian: str, english: str) -> str:
    """Inserts the sentence that is in the language of the answer."""
    return insert_sentence(case.answer, russian if is_russian(case.answer) else english)


def _inserts(russian: str, english: str) -> MutationOperator:
    """The operator that inserts the sentence in the language of the answer."""
    return lambda demand, case: _insert(case, russian, english)


# -- alphabet ----------------------------------------------------------------------------------
def _foreign_sentence(demand: ScriptShare, case: MutationCase) -> str:
    foreign = {
        "cyrillic": "Please turn to the study office of your programme for everything else.",
        "latin": "По всем остальным вопросам обратитесь в учебный офис своей программы.",
    }
    return insert_sentence(case.answer, foreign[demand.alphabet])


def _transliterated(demand: ScriptShare, case: MutationCase) -> str:
    return case.answer.translate(_TO_LATIN if demand.alphabet == "cyrillic" else _TO_CYRILLIC)


# -- fixed phrases and patterns ----------------------------------------------------------------
def _replace_phrase(demand: Phrase, case: MutationCase, replacement: str) -> str:
    """Replaces the phrase whatever its quotes, dashes, spaces and ё."""
    parts = [re.escape(word).replace("е", "[её]") for word in words(demand.text)]
    pattern = r"[\"«]?" + r"\W*".join(parts) + r"[.?!:]*"
    return re.sub(pattern, lambda _: replacement, case.answer, flags=re.IGNORECASE).strip()


def _phrase_removed(demand: Phrase, case: MutationCase) -> str:
    return _replace_phrase(demand, case, "")


def _word_dropped(demand: Phrase, case: MutationCase) -> str | None:
    tokens = demand.text.split()
    if len(tokens) < 2:
        return None
    return _replace_phrase(demand, case, " ".join([*tokens[:-2], tokens[-1]]))


def _made_an_offer(demand: Phrase, case: MutationCase) -> str:
    """Puts a closing offer in the words of the phrase into its place."""
    phrase = demand.text.rstrip(" .…?!:")
    start = "Если у вас есть ещё вопросы," if is_russian(phrase) else "If you have more questions,"
    offer = f"{start} {phrase[:1].lower()}{phrase[1:]}."
    return insert_sentence(_replace_phrase(demand, case, ""), offer)


def _text_before(demand: Phrase, case: MutationCase) -> str:
    return f"{'Здравствуйте.' if is_russian(case.answer) else 'Hello there.'} {case.answer}"


def _text_after(demand: Phrase, case: MutationCase) -> str:
    return f"{case.answer} {'Удачи в учёбе!' if is_russian(case.answer) else 'Good luck with it!'}"


def _other_answer(demand: object, case: MutationCase) -> str | None:
    return case.other if fold(case.other) != fold(case.answer) else None


def _pattern_removed(demand: Pattern, case: MutationCase) -> str:
    """Removes every match. An expression that forbids text matches nothing that can be removed."""
    answer, previous = case.answer, ""
    while answer != previous:
        answer, previous = without_matches(demand.pattern, answer), answer
    return answer


# -- length and repetition ---------------------------------------------------------------------
def _filler(case: MutationCase, count: int) -> str:
    """A sentence of `count` words of the row."""
    row_words = [word for word in words(case.sources) if _is_letters(word) and len(word) > 3]
    pool = row_words or ["слово" if is_russian(case.answer) else "word"]
    return " ".join(pool[place % len(pool)] for place in range(count)).capitalize() + "."


def _is_letters(word: str) -> bool:
    return all(unicodedata.category(character)[0] in "LM" for character in word)


def _words_over(demand: Length, case: MutationCase) -> str | None:
    if demand.max_words is None:
        return None
    over = demand.max_words + 1 - word_count(case.answer)
    return insert_sentence(case.answer, _filler(case, over))


def _sentences_over(demand: Length, case: MutationCase) -> str | None:
    if demand.max_sentences is None:
        return None
    answer = case.answer
    for count in range(demand.max_sentences):
        answer = insert_sentence(answer, _filler(case, 3 + count))
    return answer


def _longest(answer: str) -> str:
    return max(sentences(answer), key=len).rstrip(".!?:; ")


# -- links and numbers -------------------------------------------------------------------------
def _changed_link(demand: Sourced, case: MutationCase) -> str | None:
    known = [*urls(case.answer), *(c.url for c in case.row.contexts if c.url), *urls(case.sources)]
    if not known:
        return None
    changed = known[0].rstrip("/") + "/more"
    return _insert(case, f"Смотрите {changed}", f"See {changed}")


def _changed_email(demand: Sourced, case: MutationCase) -> str | None:
    addresses = emails(case.answer)
    return case.answer.replace(addresses[0], f"x{addresses[0]}") if addresses else None


def _new_number(case: MutationCase, start: int) -> int:
    known = known_numbers(case.sources)
    return next(n for n in range(start, start + len(known) + 1) if str(n) not in known)


def _number(demand: object, case: MutationCase) -> str:
    number = _new_number(case, 3917)
    return _insert(case, f"Всего их {number}.", f"There are {number} of them.")


def _changed_number(demand: Sourced, case: MutationCase) -> str | None:
    number = re.search(r"(?<=[^\W\d] )[1-9]\d{0,3}(?![\w/:)-]|[.,]\d)", case.answer)
    if number is None:
        return None
    changed = _new_number(case, int(number.group()) + 1)
    return f"{case.answer[: number.start()]}{changed}{case.answer[number.end() :]}"


def _number_in_words(demand: object, case: MutationCase) -> str | None:
    if "39" in known_numbers(case.sources):
        return None
    return _insert(case, "Всего их тридцать девять.", "There are thirty-nine of them.")


# -- words of the prompt -----------------------------------------------------------------------
def _leaked(demand: NoLeak, case: MutationCase) -> str | None:
    return _insert_run(case.context.prompt.system, demand, case)


def _leaked_in_capitals(demand: NoLeak, case: MutationCase) -> str | None:
    mutant = _leaked(demand, case)
    return mutant and mutant.upper().replace(",", "")


def _leaked_example(demand: NoLeak, case: MutationCase) -> str | None:
    texts = [
        text
        for example in case.context.prompt.examples
        for text in (example.question, *example.contexts)
        if len(words(text)) >= demand.words
    ]
    return _insert_run(texts[case.number % len(texts)], demand, case) if texts else None


def _insert_run(secret: str, demand: NoLeak, case: MutationCase) -> str | None:
    """Inserts `demand.words` words of a text that occur in no fixed phrase and no passage."""
    tokens = secret.split()
    allowed = [fold(text) for text in (case.sources, *case.context.phrases)]
    starts = range(max(0, len(tokens) - demand.words + 1))
    for step in starts:
        at = (case.number + step) % len(starts)
        run = " ".join(tokens[at : at + demand.words])
        complete = len(words(run)) >= demand.words
        if complete and not any(fold(run) in text for text in allowed):
            return insert_sentence(case.answer, f"{run.rstrip('.')}.")
    return None


# Check type → name of the operator, as reports show it → operator.
MUTATION_OPERATORS: dict[str, dict[str, MutationOperator]] = {
    "script_share": {
        "a sentence in another alphabet": _foreign_sentence,
        "transliterated": _transliterated,
    },
    "starts_with": {
        "phrase removed": _phrase_removed,
        "a word of the phrase dropped": _word_dropped,
        "text before the phrase": _text_before,
    },
    "ends_with": {
        "phrase removed": _phrase_removed,
        "a word of the phrase dropped": _word_dropped,
        "text after the phrase": _text_after,
    },
    "contains": {"phrase removed": _phrase_removed, "a word of the phrase dropped": _word_dropped},
    "equals": {
        "a word of the phrase dropped": _word_dropped,
        "text after the phrase": _text_after,
        "another answer": _other_answer,
    },
    "asks": {"phrase removed": _phrase_removed, "made a closing offer": _made_an_offer},
    "regex": {"matches removed": _pattern_removed},
    "length": {"one word too many": _words_over, "sentences too many": _sentences_over},
    "no_repetition": {
        "a sentence repeated": lambda demand, case: insert_sentence(
            case.answer, f"{_longest(case.answer)}."
        ),
        "a sentence repeated in capitals": lambda demand, case: insert_sentence(
            case.answer, f"{_longest(case.answer).upper()}!"
        ),
    },
    "json": {
        "truncated": lambda demand, case: case.answer.rstrip()[:-1],
        "text before the JSON": lambda demand, case: f"Here it is: {case.answer}",
    },
    "urls_from": {
        "a foreign link": _inserts(f"Смотрите {_FOREIGN_URL}", f"See {_FOREIGN_URL}"),
        "a foreign host without https": _inserts(
            "Смотрите elsewhere.example.", "See elsewhere.example for it."
        ),
        "a link of the row with another path": _changed_link,
    },
    "digits_from": {
        "a new number": _number,
        "a number changed": _changed_number,
        "a new number in words": _number_in_words,
    },
    "contacts_from": {
        "a new e-mail address": _inserts(
            "Пишите на desk@elsewhere.example.", "Write to desk@elsewhere.example."
        ),
        "a new telephone number": _inserts(
            "Звоните по телефону +7 (495) 555-01-98.", "Call +44 20 7946 0958."
        ),
        "a new name": _inserts(
            "Спросите Зинаиду Аркадьевну Незнамову.", "Ask for Gillian Featherstone."
        ),
        "an e-mail address changed": _changed_email,
    },
    "words_from": {
        "another answer": lambda demand, case: case.other,
        "a foreign sentence": _inserts(
            "Кроме того, ночью жирафы охотно поют старинные романсы.",
            "Besides, giraffes gladly sing forgotten ballads at night.",
        ),
    },
    "no_digits": {"a number": _number, "a number in words": _number_in_words},
    "no_leak": {
        "a run of the prompt": _leaked,
        "a run in capitals": _leaked_in_capitals,
        "a run of a worked example": _leaked_example,
    },
}

CONVERSE_OPERATORS: dict[str, dict[str, MutationOperator]] = {
    kind: {"phrase inserted": lambda demand, case: comply(demand, case.answer)}
    for kind in ("starts_with", "ends_with", "contains", "equals", "asks")
}
