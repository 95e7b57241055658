"""Rejection sampling: counts worked out by hand, and sums that hold for any candidates."""

import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import get_args

import pytest

from data.answers import Answer, Finish
from judge.verdict import Outcome
from teacher.rejection_sampling import beats_base, is_settled, select
from teacher.scored_candidate import RuleCounts, ScoredCandidate
from teacher.selection import HowCount, Selection, count_outcomes
from tests.teacher.candidate_factory import candidate, reminded, unlabelled


def selected(
    candidates: Sequence[ScoredCandidate],
    max_selected: int,
    max_same_text_share: float | None = None,
    base: Mapping[str, ScoredCandidate] | None = None,
) -> tuple[list[Answer], Selection]:
    """The selected answers in their order, and the counts."""
    decided = select(candidates, max_selected, max_same_text_share, base)
    answers = [candidate.answer for candidate in decided if candidate.outcome == "selected"]
    return answers, count_outcomes(decided, base)


def test_the_best_breaks_fewest_should_rules_and_is_then_the_likeliest() -> None:
    """A broken should-rule outweighs any likelihood; a broken must-rule excludes."""
    candidates = [
        candidate("r", 0, ("pass", "fail"), logprob=-0.1),
        candidate("r", 1, logprob=-2.0),
        candidate("r", 2, logprob=-1.0),
        candidate("r", 3, ("fail", "pass"), logprob=0.0),
    ]
    answers, counts = selected(candidates, 2)
    assert [answer.sample for answer in answers] == [2, 1]
    assert [(answer.key, answer.token_ids) for answer in answers] == [
        ("r2", (2, 9)),
        ("r1", (1, 9)),
    ]
    assert counts.outcomes == {"broke_must_rule": 1, "surplus": 1, "selected": 2}
    assert (counts.broken_rules, counts.rows_selected) == ({"must": 1}, 1)


def test_unusable_candidates_are_never_selected() -> None:
    """Truncated, empty, duplicate and too long candidates each have their own outcome."""
    candidates = [
        candidate("r", 0, text="same"),
        candidate("r", 1, text="same"),
        candidate("r", 2, finish="length"),
        candidate("r", 3, text=" "),
        candidate("s", 0, finish="too_long", text=" "),
    ]
    answers, counts = selected(candidates, 5)
    assert [answer.sample for answer in answers] == [0]
    assert counts.outcomes == {
        "too_long": 1,
        "empty": 1,
        "truncated": 1,
        "duplicate": 1,
        "selected": 1,
    }
    assert counts.rows_left_out == {"too_long": ("s",)}


def test_one_text_is_at_most_its_share_of_the_selected_answers() -> None:
    """Of ten rows with the same text two stay beside three others, evenly spread: 2 ≤ 0.4 · 5, but
    3 > 0.4 · 6."""
    candidates = [candidate(f"r{row}", 0, text="fixed") for row in range(10)]
    for at in (5, 3, 0):
        candidates.insert(at, candidate(f"other{at}", 0, text=f"text {at}"))
    answers, counts = selected(candidates, 1, max_same_text_share=0.4)
    assert [answer.row for answer in answers] == ["other0", "r0", "other3", "other5", "r5"]
    assert (
        counts.outcomes == {"common_text": 8, "selected": 5}
        and len(counts.rows_left_out["common_text"]) == 8
    )
    assert len(selected(candidates, 1)[0]) == 13
    assert len(selected(candidates[1:3], 1, max_same_text_share=0.4)[0]) == 1, (
        "nothing else is left"
    )


@pytest.mark.parametrize("seed", range(30))
def test_as_many_copies_stay_as_the_share_allows(seed: int) -> None:
    """The number of copies equals the largest that fits, found by trying all."""
    rng = random.Random(seed)
    texts = [f"text {rng.choice((0, 0, 0, 1, 1, row + 2))}" for row in range(60)]
    candidates = [candidate(f"r{row}", 0, text=text) for row, text in enumerate(texts)]
    share = rng.uniform(0.02, 1)
    copies = Counter(texts)

    def remaining(most: int) -> list[int]:
        return [min(count, most) for count in copies.values()]

    fitting = [most for most in range(1, 61) if most <= share * sum(remaining(most))]
    answers, _ = selected(candidates, 1, max_same_text_share=share)
    stay = Counter(answer.text for answer in answers)
    assert sorted(stay.values()) == sorted(remaining(max(fitting, default=1)))


def test_a_row_is_settled_by_enough_distinct_flawless_answers() -> None:
    """A broken should-rule, a missing verdict or a duplicate does not settle it; a prompt that is
    too long does. Nor does a missing label keep it open: no candidate would ever settle it.
    """
    flawless, other = candidate("r", 0), candidate("r", 1)
    assert is_settled([flawless], max_selected=1)
    assert not is_settled([flawless], max_selected=2)
    assert not is_settled([flawless, candidate("r", 2, text="answer 0")], max_selected=2)
    assert is_settled([flawless, other], max_selected=2)
    assert not is_settled([candidate("r", 0, ("pass", "fail"))], max_selected=1)
    assert not is_settled([candidate("r", 0, ("missing", "pass"))], max_selected=1)
    assert is_settled([unlabelled(candidate("r", 0, ("missing", "pass")))], max_selected=1)
    assert not is_settled([candidate("r", 0, finish="length")], max_selected=1)
    assert is_settled([candidate("r", 0, finish="too_long", text=" ")], max_selected=1)


@pytest.mark.parametrize(
    ("counts", "base", "better"),
    [
        (
            RuleCounts(0, 0, 3, 0),
            RuleCounts(1, 0, 0, 0),
            True,
        ),  # a must-rule outweighs should-rules
        (RuleCounts(0, 0, 1, 0), RuleCounts(0, 0, 2, 0), True),
        (RuleCounts(0, 0, 1, 0), RuleCounts(0, 0, 1, 0), False),  # a tie
        (RuleCounts(0, 0, 2, 0), RuleCounts(0, 0, 1, 0), False),
        (RuleCounts(0, 0, 1, 0), RuleCounts(0, 0, 0, 0), False),
        (
            RuleCounts(0, 0, 0, 0),
            RuleCounts(0, 0, 0, 0),
            True,
        ),  # the counterweight
    ],
)
def test_the_base_is_beaten_tied_or_wins(
    counts: RuleCounts, base: RuleCounts, better: bool
) -> None:
    assert beats_base(counts, base) is better


def test_a_missing_verdict_matters_only_if_it_could_decide() -> None:
    """Missing verdicts are filled in every way: known where all ways agree, else None."""

    def filled(counts: RuleCounts) -> list[RuleCounts]:
        musts, shoulds = range(counts.must_open + 1), range(counts.should_open + 1)
        broken = itertools.product(musts, shoulds)
        return [
            RuleCounts(counts.must_broken + a, 0, counts.should_broken + b, 0) for a, b in broken
        ]

    few = range(3)
    answers = [RuleCounts(0, 0, *rest) for rest in itertools.product(few, few)]
    bases = [RuleCounts(*each) for each in itertools.product(range(2), range(2), few, few)]
    for counts, base in itertools.product(answers, bases):
        every = {beats_base(a, b) for a in filled(counts) for b in filled(base)}
        assert None not in every
        expected = every.pop() if len(every) == 1 else None
        assert beats_base(counts, base) is expected, (counts, base)


def test_only_candidates_that_beat_the_base_are_selected() -> None:
    """Of five rows the base wins one and ties one, both are named; one base answer is flawless.

    Every answer beats a truncated answer of the base.
    """
    should: tuple[Outcome, Outcome] = ("pass", "fail")
    rows: dict[str, tuple[ScoredCandidate, ScoredCandidate]] = {
        "beaten": (candidate("beaten", 0, should), candidate("beaten", 0, ("fail", "pass"))),
        "tied": (candidate("tied", 0, should), candidate("tied", 0, should)),
        "lost": (candidate("lost", 0, should), candidate("lost", 0)),
        "both": (candidate("both", 0), candidate("both", 0)),
        "cut": (candidate("cut", 0, should), candidate("cut", 0, finish="length")),
    }
    candidates = [scored for scored, _ in rows.values()]
    base = {row: of_base for row, (_, of_base) in rows.items()}
    answers, counts = selected(candidates, 1, base=base)
    assert [answer.row for answer in answers] == ["beaten", "both", "cut"]
    assert counts.rows_left_out == {"no_better_than_base": ("tied", "lost")}
    assert counts.beside_flawless_base == 1
    assert len(selected(candidates, 1)[0]) == 5, "without the base nothing is left out"


def test_a_missing_verdict_is_neither_a_pass_nor_a_fail() -> None:
    """Undecided: not selected, not counted as breaking the rule, and the rule is named. A rule that
    lacks only the row's label does not exclude a candidate, and is counted.
    """
    candidates = [
        candidate("open", 0, ("missing", "pass")),
        candidate("open", 1, ("fail", "missing")),
        unlabelled(candidate("nolabel", 0, ("missing", "pass"))),
        candidate("saved", 0, ("missing", "pass")),
        candidate("saved", 1),
    ]
    answers, counts = selected(candidates, 1)
    assert [(answer.row, answer.sample) for answer in answers] == [("nolabel", 0), ("saved", 1)]
    assert counts.rows_left_out == {"undecided": ("open",)}
    assert counts.outcomes == {"broke_must_rule": 1, "undecided": 2, "selected": 2}
    assert (counts.broken_rules, counts.undecided_rules) == ({"must": 1}, {"must": 2})
    assert counts.unlabelled_rules == {"must": 1}


@pytest.mark.parametrize("seed", range(20))
def test_every_row_and_every_candidate_is_counted_once(seed: int) -> None:
    """Rows = kept + left out by each reason; candidates = the sum of their outcomes."""
    rng = random.Random(seed)
    outcomes: tuple[Outcome, ...] = get_args(Outcome)
    finishes: tuple[Finish, ...] = get_args(Finish)

    def sampled(row: str, sample: int) -> ScoredCandidate:
        pair = (rng.choice(outcomes), rng.choice(outcomes))
        finish = rng.choices(finishes, (8, 1, 1))[0]
        scored = candidate(row, sample, pair, text=f"text {rng.randrange(9)}", finish=finish)
        return reminded(scored) if sample == 4 else scored

    rows = [f"r{number}" for number in range(40)]
    candidates = [sampled(row, sample) for row in rows for sample in range(rng.randrange(1, 6))]
    base = {row: sampled(row, 0) for row in rows}
    answers, counts = selected(candidates, rng.randrange(1, 3), max_same_text_share=0.2, base=base)
    rows_left_out = [row for ids in counts.rows_left_out.values() for row in ids]
    assert counts.rows == 40 == counts.rows_selected + len(rows_left_out)
    assert {answer.row for answer in answers} | set(rows_left_out) == set(rows)
    assert len(answers) == counts.selected and counts.candidates == sum(counts.outcomes.values())
    assert counts.candidates == sum(count.candidates for count in counts.how.values())
    drawn = sum(scored.answer.sample == 4 for scored in candidates)
    chosen = sum(answer.sample == 4 for answer in answers)
    assert counts.how["reminded"] == HowCount(candidates=drawn, selected=chosen)
