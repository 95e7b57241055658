"""Weights by which each case counts in the loss as often as it occurs among the train rows.

The case of a row is the set of conditional rules that are due on it. Selection changes the share of
the cases: a rule that the teacher seldom obeys leaves few answers, an easy refusal leaves many.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from data.rows import Row
from judge.checks.cases import due_by_code
from prompts.rules import RuleFile
from student.collator import Example

Case = tuple[str, ...]  # ids of the conditional rules that are due; (): none

MAX_WEIGHT = 4.0  # a case of three answers would else decide whole steps


def weigh_by_case(
    rules: RuleFile, rows: Iterable[Row], examples: Mapping[str, Example]
) -> dict[str, Example]:
    """The example of each row (by id) with the weight of its case; 1 on average over the tokens.

    `rows` are all train rows, also those without an answer.
    """
    row_counts, case_of = Counter[Case](), dict[str, Case]()
    for row in rows:
        case = due_by_code(rules, row)
        row_counts[case] += 1
        if row.id in examples:
            case_of[row.id] = case
    answer_counts, token_counts = Counter[Case](), Counter[Case]()
    for row_id, example in examples.items():
        answer_counts[case_of[row_id]] += len(example.answers)
        token_counts[case_of[row_id]] += example.answer_tokens
    weights = case_weights(row_counts, answer_counts)
    mean = sum(weights[case] * tokens for case, tokens in token_counts.items())
    mean /= token_counts.total()
    return {
        row_id: example._replace(weight=weights[case_of[row_id]] / mean)
        for row_id, example in examples.items()
    }


def case_weights(rows: Mapping[Case, int], answers: Mapping[Case, int]) -> dict[Case, float]:
    """The weight of an answer by its case, from the number of rows and answers of each case.

    It is the case's share of the rows by its share of the answers, from 1 / `MAX_WEIGHT` to
    `MAX_WEIGHT`. Without that limit the answers of each case weigh together as much as its rows.
    """
    row_total, answer_total = sum(rows.values()), sum(answers.values())
    shares = {
        case: (rows[case] / row_total) / (count / answer_total) for case, count in answers.items()
    }
    return {case: min(MAX_WEIGHT, max(1 / MAX_WEIGHT, share)) for case, share in shares.items()}
