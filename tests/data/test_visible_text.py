"""A text without a character that a reader sees says nothing, wherever it turns up."""

import pytest

from data.answers import Answer
from data.readers.cells import Malformed, is_no_passage, required_text
from data.visible_text import has_visible_text, is_blank_letter
from judge.checks.check import EMPTY_ANSWER, code_verdicts
from tests.judge.factories import PROMPT, make_answer, make_row, make_rule, make_rules

# one of each kind that fonts show as nothing: fillers of Hangul, Braille's blank, soft hyphen,
# variation selectors, tags, joiners, marks of direction, controls, a mark without its letter
BLANK = [
    *("\u3164", "\u115f", "\u1160", "\uffa0", "\u2800", "\u00ad", "\ufe0f", "\U000e0101"),
    *("\U000e0041", "\u200b", "\u200d", "\u2060", "\ufeff", "\u034f", "\u17b4", "\u180b"),
    *("\u202e", "\u2069", "\u2028", "\x00", "\x1b", "\x7f", "\x85", "\U0001d159", "\u0301"),
    *("", " \n\t", "\u3000\u2003", "\u200b \u3164\n\ufe0f"),
]
VISIBLE = ["a", "я", "北", "ก", "😀", "1", "!", "…", "\u200bя", "é", "👩\u200d👧"]


def test_what_is_visible() -> None:
    assert [text for text in BLANK if has_visible_text(text)] == []
    assert [text for text in VISIBLE if not has_visible_text(text)] == []
    spaces = (" ", "\u3000", "\n", "\t", "\u0301")
    assert not any(map(is_blank_letter, spaces)) and is_blank_letter("\u3164")


@pytest.mark.parametrize("text", BLANK)
def test_such_an_answer_is_empty(text: str) -> None:
    """It is not selected, and fails a check that any text without digits passes."""
    assert not Answer.from_text("teacher", "r1", text).usable
    rules = make_rules(make_rule({"type": "no_digits"}))
    (verdict,) = code_verdicts(rules, PROMPT, make_row(), make_answer(text))
    assert (verdict.outcome, verdict.note) == ("fail", EMPTY_ANSWER)


@pytest.mark.parametrize("text", BLANK)
def test_such_a_question_is_blank_and_such_a_passage_none(text: str) -> None:
    assert is_no_passage(text)
    with pytest.raises(Malformed):
        required_text(text, "question")
