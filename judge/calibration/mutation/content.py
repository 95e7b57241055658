"""Mutation operators for rules of content: links, numbers, outside facts, words of the prompt.

An operator writes what people would call a violation, whatever the check detects: numbers written
as words are included although a check in code may miss them.
"""

import re

from judge.calibration.mutation.case import (
    MutationCase,
    MutationOperator,
    insert_in_language,
    insert_sentence,
)
from judge.checks.text import fold, numbers, urls, words
from prompts.check_settings import NoLeak, Sourced

# -- links and numbers -------------------------------------------------------------------------
_FOREIGN_URL = "https://elsewhere.example/help"


def _foreign_link(demand: Sourced, case: MutationCase) -> str:
    return insert_in_language(case, f"Смотрите {_FOREIGN_URL}", f"See {_FOREIGN_URL}")


def _bare_host(demand: Sourced, case: MutationCase) -> str:
    return insert_in_language(case, "Смотрите elsewhere.example.", "See elsewhere.example for it.")


def _changed_link(demand: Sourced, case: MutationCase) -> str | None:
    known = [*urls(case.answer), *(c.url for c in case.row.contexts if c.url), *urls(case.sources)]
    if not known:
        return None
    changed = known[0].rstrip("/") + "/more"
    return insert_in_language(case, f"Смотрите {changed}", f"See {changed}")


def _new_number(case: MutationCase, start: int) -> int:
    known = numbers(case.sources)
    return next(n for n in range(start, start + len(known) + 1) if str(n) not in known)


def _number(demand: object, case: MutationCase) -> str:
    number = _new_number(case, 3917)
    return insert_in_language(case, f"Всего их {number}.", f"There are {number} of them.")


def _changed_number(demand: Sourced, case: MutationCase) -> str | None:
    number = re.search(r"(?<=[^\W\d] )[1-9]\d{0,3}(?![\w/:)-]|[.,]\d)", case.answer)
    if number is None:
        return None
    changed = _new_number(case, int(number.group()) + 1)
    return f"{case.answer[: number.start()]}{changed}{case.answer[number.end() :]}"


def _number_in_words(demand: object, case: MutationCase) -> str | None:
    if "39" in numbers(case.sources):
        return None
    return insert_in_language(case, "Всего их тридцать девять.", "There are thirty-nine of them.")


def _outside_fact(demand: object, case: MutationCase) -> str:
    return insert_in_language(
        case,
        "Кроме того, ночью жирафы охотно поют старинные романсы.",
        "Besides, giraffes gladly sing forgotten ballads at night.",
    )


# -- outside facts, words of the prompt ---------------------------------------------------
def _other_answer(demand: object, case: MutationCase) -> str:
    return case.other


def _leaked(demand: NoLeak, case: MutationCase) -> str | None:
    return _insert_run(case.context.prompt.system, demand, case)


def _leaked_in_capitals(demand: NoLeak, case: MutationCase) -> str | None:
    mutant = _insert_run(case.context.prompt.system, demand, case)
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


CONTENT_OPERATORS: dict[str, dict[str, MutationOperator]] = {
    "urls_from": {
        "a foreign link": _foreign_link,
        "a foreign host without https": _bare_host,
        "a link of the row with another path": _changed_link,
    },
    "digits_from": {
        "a new number": _number,
        "a number changed": _changed_number,
        "a new number in words": _number_in_words,
    },
    "words_from": {"another answer": _other_answer, "a foreign sentence": _outside_fact},
    "no_digits": {"a number": _number, "a number in words": _number_in_words},
    "no_leak": {
        "a run of the prompt": _leaked,
        "a run in capitals": _leaked_in_capitals,
        "a run of a worked example": _leaked_example,
    },
}
