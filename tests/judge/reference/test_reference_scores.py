"""Perplexity of the best logged answers, and the reference metrics of several arms together."""

import math

import pytest

from data.answers import Answer
from judge.reference.reference_scores import perplexities, reference_scores
from tests.judge.made import make_answer, make_row


def scored(row: str, logprobs: tuple[float, ...] | None, sample: int = 0) -> Answer:
    """A logged answer as an arm's engine leaves it; None: it did not fit."""
    answer = make_answer("", row, finish="stop" if logprobs else "too_long")
    return answer.model_copy(update={"logprobs": logprobs, "sample": sample})


def test_all_tokens_count_alike() -> None:
    """3 tokens of probability 1/2 and one of 1/8: 2^((3 + 3) / 4), not the mean of 2 and 8."""
    half, eighth = math.log(0.5), math.log(0.125)
    found = perplexities({"base": [scored("a", (half, half, half)), scored("b", (eighth,))]})
    assert found["base"].value == pytest.approx(2**1.5)
    assert (found["base"].n, found["base"].tokens, found["base"].left_out) == (2, 4, 0)


def test_uniform_over_the_vocabulary() -> None:
    """A model that knows nothing has the vocabulary's size as its perplexity."""
    found = perplexities({"base": [scored("a", (-math.log(50),) * 7)]})
    assert found["base"].value == pytest.approx(50)


def test_the_same_answers_for_every_arm() -> None:
    """What fits behind one view alone is left out of both, and counted; never a zero."""
    both = {
        "base": [scored("a", (-1.0,)), scored("b", (-9.0,)), scored("b", (-3.0,), 1)],
        "teacher": [scored("a", (-0.5,)), scored("b", None), scored("b", (-2.5,), 1)],
        "student/x+prompt": [],
    }
    found = perplexities(both)
    assert {arm: one.value for arm, one in found.items()} == pytest.approx(
        {"base": math.exp(2), "teacher": math.exp(1.5)}
    )
    assert [(one.n, one.tokens, one.left_out) for one in found.values()] == [(2, 2, 1)] * 2


def test_nothing_logged_is_nothing_reported() -> None:
    """No file, an empty one, or no answer that fits: no number."""
    assert perplexities({}) == {}
    assert perplexities({"base": []}) == {}
    assert perplexities({"base": [scored("a", None)]}) == {}


def test_arms_side_by_side() -> None:
    """Each arm has its own likeness; the perplexity goes to the arm that was asked."""
    text = "Справку выдаёт учебный офис."
    rows = [make_row("r1", ("Учебный офис выдаёт справку.",), answers={"production": text})]
    answers = [make_answer(text, "r1", "teacher"), make_answer("", "r1", "base")]
    found = reference_scores(answers, rows, {"base": [scored("r1", (-1.0,))]})
    teacher, base = found["teacher"], found["base"]
    assert (teacher.rouge1, teacher.rouge2, teacher.rouge_l) == (100, 100, 100)
    assert teacher.perplexity is None and teacher.bertscore is None
    assert (base.rouge1, base.rouge2, base.rouge_l, base.n) == (0, 0, 0, 1)
    assert base.perplexity is not None and base.perplexity.value == pytest.approx(math.e)
    assert teacher.supported is not None and teacher.supported.value == 1
    assert base.supported is None, "an empty answer has no words that could be supported"


def test_no_reference_no_score() -> None:
    """A row that nobody answered in the logs gives an arm nothing to be like."""
    assert reference_scores([make_answer("да", "r1")], [make_row("r1")], {}) == {}
