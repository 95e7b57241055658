"""The regular expressions of a rule file: what they match, and that none hangs."""

import time

import pytest

from config.errors import DataError
from judge.checks.check import check_applied, check_context, code_verdicts, normalised_answer
from prompts.bounded_regex import LIMIT_S, SlowRegex, search, without_matches, without_prefix
from prompts.rules import Normalise, ScoredRule
from tests.judge.factories import PROMPT, make_answer, make_row, make_rule, make_rules

SLOW = r"(a|a)+$"  # each letter doubles its time: 2^40 steps on 40 letters
LETTERS = "a" * 40 + "!"


def test_matches_are_those_of_the_standard_library() -> None:
    assert search(r"(?i)\bда\b", "Нет, ДА.") == "ДА"
    assert search(r"\A(?![\s\S]*нет)", "да") == ""
    assert search(r"\A(?![\s\S]*нет)", "да\nнет") is None
    assert without_matches(r"(?s)\s*More:.*", "Yes.\nMore: a\nb") == "Yes."
    assert without_prefix(r"A:\s*", "A: A: yes") == "A: yes"


def test_repeats_of_repeats_end() -> None:
    """The engine reads this one in linear time; Python's own takes 2^40 steps."""
    assert search(r"(a+)+$", LETTERS) is None


def test_the_error_names_rule_row_and_way_out() -> None:
    rule = make_rule({"type": "regex", "pattern": SLOW}, id="shape")
    scored = ScoredRule(id="shape", rule=rule)
    context = check_context(make_rules(rule), PROMPT)
    start = time.process_time()
    with pytest.raises(DataError, match=r"rule shape, row r1: .*\(a\|a\)\+\$.*write it without"):
        check_applied(scored, True, make_row(), make_answer(LETTERS), context)
    assert time.process_time() - start < 2 * LIMIT_S


def test_a_slow_condition_names_its_rule() -> None:
    when = {"code": [{"field": "question", "matches": SLOW}]}
    rule = make_rule({"type": "json"}, id="odd", applies=when)
    row = make_row(question=LETTERS)
    with pytest.raises(DataError, match="rule odd, row r1: the regular expression"):
        code_verdicts(make_rules(rule), PROMPT, row, make_answer("1"))


def test_a_slow_footer_is_named() -> None:
    with pytest.raises(DataError, match="normalise: the regular expression") as caught:
        normalised_answer(LETTERS, Normalise(strip_footer=SLOW))
    assert not isinstance(caught.value, SlowRegex)
