"""The audit: four ways to answer the same rows, shares worked out by hand."""

from judge.metrics.verdict_table import strict
from teacher.audit import PassShare, compare
from tests.teacher.candidate_factory import RULES, candidate, repaired

BASE = [candidate(row, 0, ("fail", "pass")) for row in "abc"] + [candidate("d", 0)]
DRAWN = [
    candidate("a", 0, ("fail", "pass")),
    candidate("a", 1),
    candidate("b", 0),
    candidate("c", 0, ("fail", "fail")),
    candidate("c", 1, ("fail", "pass")),
    candidate("d", 0, ("fail", "pass")),
]
MENDED = [repaired(candidate("c", 4)), repaired(candidate("d", 4, ("fail", "fail")))]


def test_each_way_has_one_answer_per_row() -> None:
    """Strict on 1, 1, 2 and 3 of 4 rows: the base knows d, first b, best also a, the repair c."""
    audit = compare([*DRAWN, *MENDED], BASE, lambda verdicts: strict(verdicts, RULES))
    assert audit.base == PassShare(value=0.25, n=4)
    assert audit.first == PassShare(value=0.25, n=4)
    assert audit.best == PassShare(value=0.5, n=4)
    assert audit.repaired == PassShare(value=0.75, n=4)


def test_a_rule_is_told_of_the_same_answers() -> None:
    """The should-rule of the best ones: c's second breaks fewer rules than its first, so it stands.

    d's mended answer is worse than its first and is not taken: 4 of 4, not 3.
    """
    audit = compare([*DRAWN, *MENDED], BASE, lambda both: both[1].outcome == "pass")
    assert audit.first == PassShare(value=0.75, n=4)
    assert audit.best == audit.repaired == PassShare(value=1.0, n=4)


def test_what_is_missing_is_in_no_share() -> None:
    """One of two rows has no verdict: the other alone counts; nowhere any: no share at all."""
    open_ = candidate("b", 0, ("missing", "pass"))
    audit = compare([candidate("a", 0), open_], [open_], lambda v: strict(v, RULES))
    assert (audit.first, audit.base) == (PassShare(value=1.0, n=1), PassShare(value=None, n=0))
    assert audit.repaired is None, "nothing was mended: not a share of its own"
