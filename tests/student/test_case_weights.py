"""By its weights, each case counts as often as it occurs among the rows."""

from collections import Counter

import numpy as np
import pytest

from data.rows import Row
from student.case_weights import case_weights, weigh_by_case
from student.collator import Example
from tests.judge.factories import make_rule, make_rules

ORDINARY, REFUSAL, BOTH = (), ("refusal",), ("refusal", "partial")


def test_answers_weigh_what_their_rows_do() -> None:
    """100 rows, 50 answers. Refusals: 20 % of the rows, 50 % of the answers, so 0.4 each; ordinary
    ones 72 / 50 = 1.44. Weighted, 25 · 0.4 = 20 % of 50."""
    rows, answers = {ORDINARY: 72, REFUSAL: 20, BOTH: 8}, {ORDINARY: 25, REFUSAL: 25}
    weights = case_weights(rows, answers)
    assert weights == pytest.approx({ORDINARY: 1.44, REFUSAL: 0.4})
    assert 25 * weights[REFUSAL] == pytest.approx(0.2 * 50)


def test_equal_shares_weigh_one() -> None:
    """However many rows have no answer, as long as it is the same share of every case."""
    assert case_weights({ORDINARY: 60, REFUSAL: 20}, {ORDINARY: 6, REFUSAL: 2}) == {
        ORDINARY: 1.0,
        REFUSAL: 1.0,
    }


def test_no_case_decides_alone() -> None:
    """One answer for half of the rows would weigh 10; one case with 19 of 20 answers 0.53 at most;
    and 16 of 20 answers for a tenth of the rows 0.125."""
    assert case_weights({ORDINARY: 50, REFUSAL: 50}, {ORDINARY: 19, REFUSAL: 1}) == pytest.approx(
        {ORDINARY: 10 / 19, REFUSAL: 4.0}
    )
    weights = case_weights({ORDINARY: 90, REFUSAL: 10}, {ORDINARY: 4, REFUSAL: 16})
    assert weights == pytest.approx({ORDINARY: 4.0, REFUSAL: 0.25})


def test_examples_have_the_weight_of_their_row() -> None:
    """By the rule's condition on the row; over all target tokens the mean is 1."""
    when = {"code": [{"field": "labels", "matches": "^off topic$"}]}
    check = {"type": "contains", "text": "No."}
    rules = make_rules(make_rule(check, id="refusal", applies=when, converse=True))
    off_topic = {f"r{n}": ("off topic",) if n < 2 else () for n in range(10)}
    rows = [Row(id=id, question="q", labels=labels) for id, labels in off_topic.items()]
    prompt = np.zeros(3, np.int32)
    examples = {  # two refusals of 2 tokens, two ordinary answers to one row of 10 tokens each
        "r0": Example(prompt, (np.zeros(2, np.int32),)),
        "r1": Example(prompt, (np.zeros(2, np.int32),)),
        "r7": Example(prompt, (np.zeros(10, np.int32), np.zeros(10, np.int32))),
    }
    weighted = weigh_by_case(rules, rows, examples)
    assert list(weighted) == list(examples)
    weights = {row_id: example.weight for row_id, example in weighted.items()}
    # shares of the rows 0.2 and 0.8, of the answers 0.5 and 0.5: 0.4 and 1.6
    assert weights["r7"] / weights["r0"] == pytest.approx(4.0) and weights["r0"] == weights["r1"]
    tokens = Counter({"r0": 2, "r1": 2, "r7": 20})
    assert sum(weights[r] * tokens[r] for r in tokens) == pytest.approx(tokens.total())
