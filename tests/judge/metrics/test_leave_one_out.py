"""A score chosen on the labels agrees with them by chance, one chosen on other questions not."""

import numpy as np
import pytest

from judge.metrics.agreement import confusion, kappa
from judge.metrics.leave_one_out import leave_one_question_out

QUESTIONS = [place // 2 for place in range(60)]  # two answers each
RUNS = 100


def kappa_of(gold: list[bool], passed: list[bool] | tuple[bool, ...]) -> float:
    value = kappa(confusion(gold, passed))
    assert value is not None
    return value


def draw(random: np.random.Generator, size: int = 60) -> list[bool]:
    values: list[bool] = (random.random(size) < 0.4).tolist()
    return values


def test_worthless_scores() -> None:
    """Of 20 that are drawn by chance the best has a κ of 0.23 on the labels; it is worth 0.

    A standard error of 0.03: with the own question among those that choose, κ would be near 0.2.
    """
    random = np.random.default_rng(0)
    best, left_out = list[float](), list[float]()
    for _ in range(RUNS):
        gold = draw(random)
        scores = {f"score {number}": draw(random) for number in range(20)}
        best.append(max(kappa_of(gold, passed) for passed in scores.values()))
        left_out.append(kappa_of(gold, leave_one_question_out(gold, scores, QUESTIONS).passed))
    assert np.mean(best) > 0.2
    assert abs(np.mean(left_out)) < 0.1


def test_a_good_score_is_found_everywhere() -> None:
    """Right in 85 % of the answers, among 20 worthless ones: its own κ comes back."""
    random = np.random.default_rng(1)
    gold = draw(random)
    scores = {f"score {number}": draw(random) for number in range(20)}
    scores["good"] = [truth if random.random() < 0.85 else not truth for truth in gold]
    left_out = leave_one_question_out(gold, scores, QUESTIONS)
    assert left_out.choices == {"good": 30}
    assert left_out.passed == tuple(scores["good"])


def test_the_question_has_no_part_in_its_own_choice() -> None:
    """`one` is right on question 0 alone, `rest` everywhere else: each is chosen where it fails.

    Without question 0, `rest` is perfect and chosen for it.
    """
    gold = [True, False, True, False]
    scores = {"one": [True, True, True, True], "rest": [False, False, True, False]}
    left_out = leave_one_question_out(gold, scores, [0, 1, 2, 3])
    assert left_out.passed[0] is False
    assert leave_one_question_out([], {"one": []}, []).passed == ()


@pytest.mark.parametrize("first", ["a", "b"])
def test_of_equal_scores_the_first_is_chosen(first: str) -> None:
    names = sorted("ab", key=lambda name: name != first)
    scores = {name: [True, False] * 3 for name in names}
    left_out = leave_one_question_out([True, False] * 3, scores, [0, 0, 1, 1, 2, 2])
    assert left_out.choices == {first: 3}
