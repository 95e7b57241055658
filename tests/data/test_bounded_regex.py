"""The regular expressions of a rule file: what they match, and that none hangs."""

import time

import pytest

from config.errors import ConfigError, DataError
from config.log_formats import CampusLogs, DataSettings
from data.bounded_regex import (
    LIMIT_S,
    SlowRegex,
    compile_pattern,
    search,
    without_matches,
    without_prefix,
)
from data.clean import RowCleaner
from judge.checks.applicability import applicable
from judge.checks.check import check_applied, check_context, code_verdicts, normalised_answer
from prompts.rules import Normalise, ScoredRule
from tests.judge.factories import PROMPT, make_answer, make_row, make_rule, make_rules

SLOW = r"(a|a)+$"  # each letter doubles its time: 2^40 steps on 40 letters
LETTERS = "a" * 40 + "!"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of 0.2 s, where only the error's words matter: one test waits for the real one."""
    monkeypatch.setattr("data.bounded_regex.LIMIT_S", 0.2)


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


@pytest.mark.usefixtures("soon")
def test_a_slow_condition_names_its_rule() -> None:
    when = {"code": [{"field": "question", "matches": SLOW}]}
    rule = make_rule({"type": "json"}, id="odd", applies=when)
    row = make_row(question=LETTERS)
    with pytest.raises(DataError, match="rule odd, row r1: the regular expression"):
        code_verdicts(make_rules(rule), PROMPT, row, make_answer("1"))


@pytest.mark.usefixtures("soon")
def test_a_slow_setting_is_named() -> None:
    """Stubs and footer run over logged answers, which anybody may have written."""
    settings = DataSettings(train=CampusLogs(path="t.json"), stubs=("b", SLOW))
    with pytest.raises(ConfigError, match=r"^data\.stubs\.1: the regular expression .*write it"):
        RowCleaner(settings).clean_row(make_row(answers={"old": LETTERS}))


def test_conditions_read_every_expression_that_loads() -> None:
    """A comment at the end would swallow a bracket put around the expression."""
    for pattern in ("(?x)QUEST #", "(?x)quest\n#", "(?s)QUEST"):
        when = {"code": [{"field": "question", "matches": pattern}]}
        assert applicable(make_rule({"type": "json"}, applies=when), make_row()) is True


def test_an_expression_that_calls_itself_is_named() -> None:
    """The engine gives up at 0.6 GB, in less than the limit of time."""
    with pytest.raises(SlowRegex, match="without calls of itself"):
        search("(?R)", "aaa")


def test_a_deep_expression_is_none() -> None:
    """3,000 brackets are more than Python's stack of 1,000 frames."""
    with pytest.raises(ValueError, match="nested too deeply"):
        compile_pattern("(" * 3000 + ")" * 3000)


@pytest.mark.usefixtures("soon")
def test_a_slow_footer_is_named() -> None:
    with pytest.raises(DataError, match="normalise: the regular expression") as caught:
        normalised_answer(LETTERS, Normalise(strip_footer=SLOW))
    assert not isinstance(caught.value, SlowRegex)
