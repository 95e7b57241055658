"""Context recall and precision, and lexical grounding, by hand."""

import pytest

from judge.reference.overlap import content_words, context_score, lexical_grounding
from tests.judge.factories import make_answer, make_row

REFERENCE = "Library opens early, closes at 18:00"  # library opens early closes 18 00


def test_words_that_say_something() -> None:
    """Four letters or a digit; folded."""
    assert content_words("Приём до 5-го мая, и ЕЩЁ в офисе 2Б") == {"прием", "5-го", "офисе", "2б"}


def test_by_hand() -> None:
    """6 words; passage 2 holds 3 of them, passage 3 two: relevant; passage 1 one: 1/6 < 1/5.

    Recall: opens, library, early, closes of 6. Precision: ranks 2 and 3: (1/2 + 2/3) / 2.
    """
    passages = ("The library", "Library opens early.", "It opens and closes")
    score = context_score([make_row("r", passages)], {"r": [REFERENCE]})
    assert score is not None
    assert (score.recall, score.precision, score.n) == pytest.approx((4 / 6, 7 / 12, 1))


def test_order_is_precision_and_not_recall() -> None:
    """One relevant passage of two: 1 in front, 1/2 behind."""
    passages = ("Library opens early", "Nothing of the kind")
    rows = [make_row("r", passages), make_row("r", passages[::-1])]
    first, last = (context_score([row], {"r": [REFERENCE]}) for row in rows)
    assert first is not None and last is not None
    assert (first.precision, last.precision) == (1, 0.5)
    assert first.recall == last.recall == 0.5


def test_the_better_of_two_references() -> None:
    """A second reference that nothing supports takes nothing away."""
    row = make_row("r", ("Library opens early",))
    alone = context_score([row], {"r": [REFERENCE]})
    assert context_score([row], {"r": ["Somebody knows", REFERENCE]}) == alone


def test_no_relevant_passage_is_zero_and_nothing_to_measure_is_missing() -> None:
    """Rows without passages, without reference or with one of no words are no zeros."""
    row = make_row("r", ("Something else",))
    zero = context_score([row], {"r": [REFERENCE]})
    assert zero is not None and (zero.recall, zero.precision) == (0, 0)
    assert context_score([row], {}) is None
    assert context_score([row], {"r": ["Да, до"]}) is None
    assert context_score([make_row("r")], {"r": [REFERENCE]}) is None
    assert context_score([], {}) is None


def test_lexical_grounding_in_the_passages_that_fit_and_the_question() -> None:
    """3 of 4 words; with the second passage dropped 2; the empty answer says nothing to count."""
    row = make_row("r", ("The library opens", "It closes"), question="What about cats there?")
    answer = make_answer("Library closes, cats. Dogs!", "r")
    assert content_words(answer.text) == {"library", "closes", "cats", "dogs"}
    whole = lexical_grounding([(row, answer), (row, make_answer("", "r"))])
    assert whole is not None and (whole.value, whole.n) == (0.75, 1)
    cut = lexical_grounding([(row, answer.model_copy(update={"dropped": 1}))])
    assert cut is not None and cut.value == 0.5
    assert lexical_grounding([(row, make_answer("…", "r"))]) is None
