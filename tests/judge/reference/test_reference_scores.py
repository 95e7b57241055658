"""Similarity to the best logged answers, and the metrics of several arms together."""

import math

import pytest

from judge.reference.reference_scores import reference_score, reference_scores
from tests.judge.factories import make_answer, make_row
from tests.judge.reference.test_perplexity import scored


def test_arms_side_by_side() -> None:
    """Each arm has its own likeness; the perplexity goes to the arm that was asked."""
    text = "Справку выдаёт учебный офис."
    rows = [make_row("r1", ("Учебный офис выдаёт справку.",), answers={"production": text})]
    answers = [make_answer(text, "r1", "teacher"), make_answer("", "r1", "base")]
    scores = reference_scores(answers, rows, {"base": [scored("r1", (-1.0,))]})
    teacher, base = scores["teacher"], scores["base"]
    assert (teacher.rouge1, teacher.rouge2, teacher.rouge_l) == (100, 100, 100)
    assert teacher.perplexity is None
    assert (base.rouge1, base.rouge2, base.rouge_l, base.n) == (0, 0, 0, 1)
    assert base.perplexity is not None and base.perplexity.value == pytest.approx(math.e)
    assert teacher.lexical_grounding is not None and teacher.lexical_grounding.value == 1
    assert base.lexical_grounding is None, "an empty answer has no words that could be supported"


def test_no_reference_no_score() -> None:
    """A row that nobody answered in the logs gives an arm nothing to be like."""
    assert reference_scores([make_answer("да", "r1")], [make_row("r1")], {}) == {}
    assert reference_score([make_answer("да")], [make_row()]) is None


def test_identity_scores_100_in_russian() -> None:
    """A copy of either reference is perfect: the metric must see Cyrillic words at all."""
    texts = [
        "Приём заявок идёт до пятнадцатого мая.",
        "Справку выдаёт учебный офис факультета.",
    ]
    rows = [
        make_row(
            "r1",
            answers={"saiga": "Другой ответ совсем.", "giga": texts[0]},
            labels=("Оба хорошо",),
        ),
        make_row("r2", answers={"production": texts[1]}),
        make_row("r3", answers={"production": "не спрошено"}),
    ]
    answers = [make_answer(text, row) for text, row in zip(texts, ("r1", "r2"), strict=True)]
    answers.append(make_answer("", "r3", finish="too_long"))
    scores = reference_score(answers, rows)
    assert scores is not None and scores.n == 2
    assert (scores.chrf, scores.bleu) == pytest.approx((100, 100))
    worse = reference_score([make_answer("Не знаю.", "r2")], rows)
    assert worse is not None and worse.chrf < 20 and "nw:2" in worse.chrf_signature
