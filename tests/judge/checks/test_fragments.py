"""Fragments of a fixed sentence: found where nothing explains them, and only there."""

import pytest

from judge.checks.fragments import sentence_fragment

URGENT = "This is urgent: call 112 now."
REFUSAL = "This desk only answers questions about studying at Lakeside."
PARTIAL = "I could not find this on our pages."
RUSSIAN = "Мне кажется неуместно здесь это обсуждать."
CHINESE = "这个问题我们无法回答请联系老师"
OPENING, CLOSING = "Lakeside desk:", "Anything else?"


@pytest.mark.parametrize(
    ("sentence", "answer", "fragment"),
    [
        # real answers: a student of the second domain, and candidates of the demo's teacher
        (URGENT, "This is urgent: 34 minutes and needs the pictures.", "this is urgent"),
        (PARTIAL, "No one has complained. I could not find the soup.", "i could not find"),
        (
            PARTIAL,
            "I can't find this on our pages. The term starts in May.",
            "find this on our pages",
        ),
        (REFUSAL, "I'm not equipped to answer questions about the fees.", None),  # two words
        (REFUSAL, "The desk is open.", None),
        # the whole sentence inside an answer that should begin with it is found as well
        (URGENT, "Well. This is urgent: call 112 now.", "this is urgent call 112 now"),
        # case, quotes, dashes and ё do not matter, nor does punctuation
        (URGENT, "«THIS IS — URGENT»", "this is urgent"),
        (RUSSIAN, "Мне кажется неуместно спрашивать о столовой.", "мне кажется неуместно"),
        (RUSSIAN, "Здесь это не принято, мне кажется.", None),
        (RUSSIAN, "Столовая открыта с 9 до 18.", None),
        # a word of Chinese is about two characters: five are no fragment, six are one
        (CHINESE, "这个问题我不知道", None),
        (CHINESE, "这个问题我们知道", "这 个 问 题 我 们"),
        (URGENT, "", None),
        ("No help.", "Desk: No help today.", None),  # a sentence of two words has no fragment
    ],
)
def test_by_sentence_and_answer(sentence: str, answer: str, fragment: str | None) -> None:
    assert sentence_fragment(sentence, answer, (), ()) == fragment


@pytest.mark.parametrize(
    ("answer", "source", "fragment"),
    [
        ("This is urgent: ask.", "The notice says: this is urgent!", None),
        ("This is urgent: call 112 for fires.", "In a fire call 112.", "this is urgent call 112"),
        ("This is urgent: ask.", "What is urgent here?", "this is urgent"),
        ("Call 112 now, it burns.", "Call 112 now, then leave.", None),
    ],
)
def test_words_of_question_and_passages_are_no_fragment(
    answer: str, source: str, fragment: str | None
) -> None:
    assert sentence_fragment(URGENT, answer, (), [source]) == fragment


def test_the_longest_run_that_is_not_in_the_sources_counts() -> None:
    """The passage explains the first three words, but not the last three."""
    answer = "This is urgent, they say. Just call 112 now."
    assert sentence_fragment(URGENT, answer, (), ["This is urgent"]) == "call 112 now"


def test_fixed_texts_that_are_due_are_cut_out() -> None:
    """`equals` holds opening and closing too, which every answer has; runs across them are none."""
    whole = f"{OPENING} We only help students. {CLOSING}"
    expected = (OPENING, CLOSING)
    assert sentence_fragment(whole, f"{OPENING} We open at nine. {CLOSING}", expected, ()) is None
    assert sentence_fragment(whole, f"{OPENING} We open at nine. {CLOSING}", (), ()) is not None
    answer = f"{OPENING} We only help on Mondays. {CLOSING}"
    assert sentence_fragment(whole, answer, expected, ()) == "we only help"
    # another rule's sentence begins alike and is due here, whole or in part
    other = "This is urgent: leave the house."
    assert sentence_fragment(URGENT, other, (other,), ()) is None
    assert sentence_fragment(URGENT, "This is urgent: leave.", (other,), ()) is None
