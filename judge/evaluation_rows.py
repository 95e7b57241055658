"""Which val rows choose: those of each evaluation during training, and those held out of a search.

The first are rows of every case, then those in file order.
"""

from collections.abc import Sequence
from itertools import islice

from data.records import digest
from data.rows import Row, question_key
from judge.checks.cases import due_by_code
from judge.metrics.gap_closed import FEWEST_QUESTIONS
from prompts.rules import RuleFile

ROWS_PER_CASE = 8  # a recall moves by an eighth with one row; fewer rows show little


def held_out_rows(rules: RuleFile, val: Sequence[Row]) -> frozenset[str]:
    """The ids of the rows that no trial of a search looks at: half of the questions of each case.

    They follow from the questions alone, whatever their order. None where that would be fewer than
    FEWEST_QUESTIONS: they could not score the winner.
    """
    questions: dict[str, list[Row]] = {}
    for row in val:
        questions.setdefault(question_key(row), []).append(row)

    def order(question: str) -> tuple[str, str]:
        cases = {case for row in questions[question] for case in due_by_code(rules, row)}
        return " ".join(sorted(cases)), digest(["held out", question])

    held_out = sorted(questions, key=order)[1::2]
    if len(held_out) < FEWEST_QUESTIONS:
        return frozenset()
    return frozenset(row.id for question in held_out for row in questions[question])


def evaluation_rows(rules: RuleFile, val: Sequence[Row], count: int) -> list[Row]:
    """`count` val rows in file order, or all if there are no more.

    Among them are `ROWS_PER_CASE` rows on which each conditional rule is due, and as many on which
    none is, where val has them. Where `count` is too small for that, the cases take turns. All
    others are the first of the file.
    """
    cases = [due_by_code(rules, row) for row in val]
    names = [None, *(rule.id for rule in rules.conditional_rules)]  # None: no rule is due
    members = {
        name: [index for index, due in enumerate(cases) if name in due or not (name or due)]
        for name in names
    }
    chosen: set[int] = set()
    for wanted in range(1, ROWS_PER_CASE + 1):
        for indices in members.values():
            missing = wanted - len(chosen.intersection(indices))
            if missing > 0 and len(chosen) < count:
                chosen.update(islice((i for i in indices if i not in chosen), missing))
    others = (index for index in range(len(val)) if index not in chosen)
    chosen.update(islice(others, max(0, count - len(chosen))))
    return [val[index] for index in sorted(chosen)]
