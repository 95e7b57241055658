"""ROUGE by hand, in any script, and its longest common subsequence against the table."""

import random
from collections.abc import Sequence

import pytest

from judge.reference.rouge import common_subsequence, rouge


def test_by_hand() -> None:
    """Of 4 and 6 words 3 are shared, of 3 and 5 pairs 1 (b c), and b c d in order.

    F1 = 2 · shared / (own + reference): 6/10, 2/8, 6/10.
    """
    assert rouge("a b c d", ["x b c y d z"]) == pytest.approx((0.6, 0.25, 0.6))


def test_order_counts_for_the_subsequence_alone() -> None:
    """The same 3 words backwards: all of them shared, no pair, one word in order: 2 · 1 / 6."""
    assert rouge("один два три", ["три два один"]) == pytest.approx((1, 0, 1 / 3))


def test_a_word_counts_as_often_as_both_have_it() -> None:
    """Three of one word against one of it: 2 · 1 / (3 + 1)."""
    assert rouge("да да да", ["да"]) == pytest.approx((0.5, 0, 0.5))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Приём заявок идёт до 15 мая.", "Приём заявок идёт до 15 мая."),
        ("ПРИЁМ ЗАЯВОК – ДО МАЯ", "«Прием заявок» — до мая"),
        ("申請 は 五月 まで", "申請 は 五月 まで"),
    ],
)
def test_identical_words_are_one_in_any_script(text: str, reference: str) -> None:
    """rouge-score with its own tokenizer gives 0.0 here; case, ё, quotes, dashes do not count."""
    assert rouge(text, [reference]) == (1, 1, 1)


def test_each_measure_takes_its_best_reference() -> None:
    """The first shares all words in another order, the second two of three in order."""
    assert rouge("a b c", ["c b a", "a b x"]) == pytest.approx((1, 0.5, 2 / 3))


@pytest.mark.parametrize("text", ["", "…!"])
def test_nothing_said_shares_nothing(text: str) -> None:
    """Zero, not an error: an empty answer is one."""
    assert rouge(text, ["да нет"]) == (0, 0, 0)
    assert rouge("да нет", [text]) == (0, 0, 0)


def test_the_subsequence_is_that_of_the_table() -> None:
    """500 random pairs of up to 90 words out of 4, past the 64 bits of a machine's word."""
    rng = random.Random(0)
    for _ in range(500):
        first, second = (rng.choices("abcd", k=rng.randrange(90)) for _ in range(2))
        assert common_subsequence(first, second) == by_table(first, second)


def by_table(first: Sequence[str], second: Sequence[str]) -> int:
    """The textbook's recursion, row by row."""
    row = [0] * (len(second) + 1)
    for word in first:
        new = [0]
        for at, other in enumerate(second):
            new.append(row[at] + 1 if word == other else max(row[at + 1], new[at]))
        row = new
    return row[-1]
