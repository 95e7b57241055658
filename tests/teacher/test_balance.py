"""Limits of what the students learn often: selected rows of a conditional rule, by hand."""

from collections import Counter
from dataclasses import replace

import pytest

from teacher.balance import limit_cases
from teacher.scored_candidate import ScoredCandidate
from tests.teacher.candidate_factory import candidate


def of_rows(name: str, count: int, selected: int) -> list[ScoredCandidate]:
    """One candidate for each of these rows, the first of them selected."""
    return [
        replace(
            candidate(f"{name}{at}", 0), outcome="selected" if at < selected else "broke_must_rule"
        )
        for at in range(count)
    ]


@pytest.mark.parametrize(("ordinary", "limit"), [(10, 5), (4, 2), (3, 1), (1, 1), (0, 1)])
def test_a_case_has_at_most_the_proportion_of_the_rows(ordinary: int, limit: int) -> None:
    """10 rows with a refusal beside 20 without: at most half as many answers, and one at least."""
    candidates = [*of_rows("o", 20, ordinary), *of_rows("r", 10, 9)]
    due = {row.answer.row: ("refusal",) * row.answer.row.startswith("r") for row in candidates}
    limited = limit_cases(candidates, due)
    outcomes = Counter(
        (scored.answer.row[0], scored.outcome) for scored in limited if scored.outcome is not None
    )
    assert outcomes["o", "selected"] == ordinary
    assert (outcomes["r", "selected"], outcomes["r", "over_share"]) == (limit, 9 - limit)
    assert len(limited) == 30


def test_rows_that_stay_are_spread_and_keep_all_their_answers() -> None:
    """Of 4 rows with 2 answers each every other one stays, with both."""
    pairs = [
        [scored, replace(scored, answer=scored.answer.model_copy(update={"sample": 1}))]
        for scored in of_rows("r", 4, 4)
    ]
    candidates = [*of_rows("o", 4, 2), *(scored for pair in pairs for scored in pair)]
    due = {row.answer.row: ("refusal",) * row.answer.row.startswith("r") for row in candidates}
    rows = Counter(
        scored.answer.row
        for scored in limit_cases(candidates, due)
        if scored.outcome == "selected" and scored.answer.row.startswith("r")
    )
    assert rows == {"r0": 2, "r2": 2}


def test_nothing_is_limited_beside_no_ordinary_row() -> None:
    """Logs of refusals alone have no proportion."""
    candidates = of_rows("r", 3, 3)
    due = {row.answer.row: ("refusal",) for row in candidates}
    assert limit_cases(candidates, due) == candidates
