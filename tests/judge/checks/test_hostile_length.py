"""The time of every built-in check grows with the length of any text; the longest are not read."""

import time

import pytest

from benchmarks.judging.check_times import forget_texts
from benchmarks.judging.hostile_texts import UNITS, hostile_text
from benchmarks.judging.timed_checks import timed_checks, verdict_on_text
from judge.checks.grounding import ground
from judge.checks.kinds import MOST_READ
from prompts.rules import ScoredRule

SHORT, LONG = 2_000, 16_000
# Linear is 8 times, quadratic 64. Times below this are measured too roughly to compare.
MOST_GROWTH, LEAST_S = 24, 0.02
RULES = dict(timed_checks())


def _seconds(rule: ScoredRule, text: str, source: str) -> float:
    """The best of three: other processes only add to it."""
    times = []
    for _ in range(3):
        forget_texts()
        start = time.process_time()
        verdict_on_text(rule, text, source)
        times.append(time.process_time() - start)
        if times[-1] < LEAST_S:
            break
    return min(times)


@pytest.mark.parametrize("name", RULES)
def test_eight_times_the_text_takes_about_eight_times_as_long(name: str) -> None:
    """The text stands in the answer, in question and passage, or in all of them."""
    rule = RULES[name]
    verdict_on_text(rule, "Зал и 北京.")
    for text, unit in UNITS.items():
        long, short = hostile_text(unit, LONG), hostile_text(unit, SHORT)
        for pairs in (((long, "x"), (short, "x")), (("Да.", long), ("Да.", short)),
                      ((long, long), (short, short))):  # fmt: skip
            seconds = _seconds(rule, *pairs[0])
            if seconds >= LEAST_S:
                assert seconds < MOST_GROWTH * _seconds(rule, *pairs[1]), text


@pytest.mark.parametrize("name", RULES)
def test_four_megabytes_are_missing_and_the_note_says_why(name: str) -> None:
    """A part could neither pass nor fail the whole, so nothing is cut in silence."""
    text = "1" * 4_000_000
    verdict = verdict_on_text(RULES[name], text, "x")
    assert (verdict.outcome, verdict.reason) == ("missing", "overflow")
    assert f"at most {MOST_READ}" in verdict.note


def test_long_sources_matter_only_to_checks_that_read_them() -> None:
    """A check of the answer alone decides behind a passage of 4 MB."""
    source = "а" * 4_000_000
    decided = {
        name for name, rule in RULES.items()
        if verdict_on_text(rule, "Зал открыт.", source).outcome != "missing"
    }  # fmt: skip
    assert set(RULES) - decided == {
        *("urls_from", "digits_from", "contacts_from", "words_from", "no_leak")
    }


def test_sentences_are_compared_up_to_a_number_of_pairs() -> None:
    """2,000 × 2,000 different sentences are 4 million pairs, and 1 million are compared."""
    answer = " ".join(f"Зал не открыт после пяти часов {n}." for n in range(2000))
    source = " ".join(f"Зал открыт перед шестью утра {n}." for n in range(2000))
    assert not ground(answer, [source]).all_compared
    assert ground(answer, ["Зал открыт."]).all_compared
    assert ground("Зал не открыт после пяти часов.", ["Зал открыт после пяти часов."]).denied
