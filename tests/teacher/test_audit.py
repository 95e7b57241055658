"""The audit: four ways to answer the same rows, with shares worked out by hand."""

from collections.abc import Iterable

from judge.metrics.verdict_table import strict
from judge.verdict import Verdict
from teacher.audit import PassShare, compare
from tests.teacher.candidate_factory import RULES, candidate, reminded

BASE = [candidate(row, 0, ("fail", "pass")) for row in "abc"] + [candidate("d", 0)]
SAMPLED = [
    candidate("a", 0, ("fail", "pass")),
    candidate("a", 1),
    candidate("b", 0),
    candidate("c", 0, ("fail", "fail")),
    candidate("c", 1, ("fail", "pass")),
    candidate("d", 0, ("fail", "pass")),
]
GUIDED = [reminded(candidate("c", 4)), reminded(candidate("d", 4, ("fail", "fail")))]


def is_strict(verdicts: Iterable[Verdict]) -> bool | None:
    return strict(verdicts, RULES.must_rules)


def test_each_way_to_answer_counts_one_answer_per_row() -> None:
    """Strict on 1, 1, 2 and 3 of 4 rows: the base passes d, first b, best also a, guidance c."""
    audit = compare([*SAMPLED, *GUIDED], BASE, is_strict)
    assert audit.base == PassShare(value=0.25, n=4)
    assert audit.first == PassShare(value=0.25, n=4)
    assert audit.best == PassShare(value=0.5, n=4)
    assert audit.guided == PassShare(value=0.75, n=4)


def test_a_rule_is_audited_on_the_same_answers() -> None:
    """The should-rule: c's second candidate breaks fewer rules than its first, so it is the best.

    d's guided answer is worse than its first and is not the best: 4 of 4, not 3.
    """
    audit = compare([*SAMPLED, *GUIDED], BASE, lambda verdicts: verdicts[1].outcome == "pass")
    assert audit.first == PassShare(value=0.75, n=4)
    assert audit.best == audit.guided == PassShare(value=1.0, n=4)


def test_a_missing_verdict_is_in_no_share() -> None:
    """One of two rows has a verdict: it alone counts. No row has one: the share is None."""
    undecided = candidate("b", 0, ("missing", "pass"))
    audit = compare(
        [candidate("a", 0), undecided],
        [undecided],
        is_strict,
    )
    assert (audit.first, audit.base) == (PassShare(value=1.0, n=1), PassShare(value=None, n=0))
    assert audit.guided is None, "no guided candidate was drawn"
