"""Perplexity of the best logged answers, by hand."""

import math

import pytest

from data.answers import Answer
from judge.reference.reference_scores import perplexities
from tests.judge.factories import make_answer


def scored(row: str, logprobs: tuple[float, ...] | None, sample: int = 0) -> Answer:
    """A logged answer as an arm's engine leaves it; None: it did not fit."""
    answer = make_answer("", row, finish="stop" if logprobs else "too_long")
    return answer.model_copy(update={"logprobs": logprobs, "sample": sample})


def test_all_tokens_count_alike() -> None:
    """3 tokens of probability 1/2 and one of 1/8: 2^((3 + 3) / 4), not the mean of 2 and 8."""
    half, eighth = math.log(0.5), math.log(0.125)
    scores = perplexities({"base": [scored("a", (half, half, half)), scored("b", (eighth,))]})
    assert scores["base"].value == pytest.approx(2**1.5)
    assert (scores["base"].n, scores["base"].tokens, scores["base"].left_out) == (2, 4, 0)


def test_uniform_over_the_vocabulary() -> None:
    """A model that knows nothing has the vocabulary's size as its perplexity."""
    scores = perplexities({"base": [scored("a", (-math.log(50),) * 7)]})
    assert scores["base"].value == pytest.approx(50)


def test_the_same_answers_for_every_arm() -> None:
    """What fits behind one view alone is left out of both, and counted; never a zero."""
    both = {
        "base": [scored("a", (-1.0,)), scored("b", (-9.0,)), scored("b", (-3.0,), 1)],
        "teacher": [scored("a", (-0.5,)), scored("b", None), scored("b", (-2.5,), 1)],
        "student/x+prompt": [],
    }
    scores = perplexities(both)
    assert {arm: perplexity.value for arm, perplexity in scores.items()} == pytest.approx(
        {"base": math.exp(2), "teacher": math.exp(1.5)}
    )
    assert [(p.n, p.tokens, p.left_out) for p in scores.values()] == [(2, 2, 1)] * 2


def test_nothing_logged_is_nothing_reported() -> None:
    """No file, an empty one, or no answer that fits: no number."""
    assert perplexities({}) == {}
    assert perplexities({"base": []}) == {}
    assert perplexities({"base": [scored("a", None)]}) == {}
