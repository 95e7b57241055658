"""Ways to break the rules of content: links, numbers, facts from elsewhere, words of the prompt.

A breaker knows what people would call a breach, not how the check finds one: a number written in
words is there because a check in code may miss it.
"""

import re

from judge.calibration.mutation.case import Breaker, MutationCase, say, with_sentence
from judge.checks.text import fold, numbers, urls, words
from prompts.check_settings import NoLeak, Sourced

# -- links and numbers -------------------------------------------------------------------------
_FOREIGN_URL = "https://elsewhere.example/help"


def _foreign_link(demand: Sourced, case: MutationCase) -> str:
    return say(case, f"Смотрите {_FOREIGN_URL}", f"See {_FOREIGN_URL}")


def _bare_host(demand: Sourced, case: MutationCase) -> str:
    return say(case, "Смотрите elsewhere.example.", "See elsewhere.example for it.")


def _changed_link(demand: Sourced, case: MutationCase) -> str | None:
    known = [*urls(case.answer), *(c.url for c in case.row.contexts if c.url), *urls(case.sources)]
    if not known:
        return None
    changed = known[0].rstrip("/") + "/more"
    return say(case, f"Смотрите {changed}", f"See {changed}")


def _new_number(case: MutationCase, start: int) -> int:
    known = numbers(case.sources)
    return next(n for n in range(start, start + len(known) + 1) if str(n) not in known)


def _number(demand: object, case: MutationCase) -> str:
    number = _new_number(case, 3917)
    return say(case, f"Всего их {number}.", f"There are {number} of them.")


def _changed_number(demand: Sourced, case: MutationCase) -> str | None:
    plain = re.search(r"(?<=[^\W\d] )[1-9]\d{0,3}(?![\w/:)-]|[.,]\d)", case.answer)
    if plain is None:
        return None
    changed = _new_number(case, int(plain.group()) + 1)
    return f"{case.answer[: plain.start()]}{changed}{case.answer[plain.end() :]}"


def _number_in_words(demand: object, case: MutationCase) -> str | None:
    if "39" in numbers(case.sources):
        return None
    return say(case, "Всего их тридцать девять.", "There are thirty-nine of them.")


def _foreign_fact(demand: object, case: MutationCase) -> str:
    return say(
        case,
        "Кроме того, ночью жирафы охотно поют старинные романсы.",
        "Besides, giraffes gladly sing forgotten ballads at night.",
    )


# -- words from elsewhere, words of the prompt ---------------------------------------------------
def _other_answer(demand: object, case: MutationCase) -> str:
    return case.other


def _leaked(demand: NoLeak, case: MutationCase) -> str | None:
    return _run(case.context.prompt.system, demand, case)


def _leaked_loudly(demand: NoLeak, case: MutationCase) -> str | None:
    run = _run(case.context.prompt.system, demand, case)
    return run and run.upper().replace(",", "")


def _leaked_example(demand: NoLeak, case: MutationCase) -> str | None:
    texts = [
        text
        for example in case.context.prompt.examples
        for text in (example.question, *example.contexts)
        if len(words(text)) >= demand.words
    ]
    return _run(texts[case.number % len(texts)], demand, case) if texts else None


def _run(secret: str, demand: NoLeak, case: MutationCase) -> str | None:
    """The answer with so many words of a text that no fixed phrase and no passage holds."""
    said = secret.split()
    excused = [fold(text) for text in (case.sources, *case.context.phrases)]
    starts = range(max(0, len(said) - demand.words + 1))
    for step in starts:
        at = (case.number + step) % len(starts)
        run = " ".join(said[at : at + demand.words])
        whole = len(words(run)) >= demand.words
        if whole and not any(fold(run) in text for text in excused):
            return with_sentence(case.answer, f"{run.rstrip('.')}.")
    return None


BREAKERS: dict[str, dict[str, Breaker]] = {
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
    "words_from": {"another answer": _other_answer, "a foreign sentence": _foreign_fact},
    "no_digits": {"a number": _number, "a number in words": _number_in_words},
    "no_leak": {
        "a run of the prompt": _leaked,
        "a run in capitals": _leaked_loudly,
        "a run of a worked example": _leaked_example,
    },
}
