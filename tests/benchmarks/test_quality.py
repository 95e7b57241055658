"""The standings of the quality benchmark, computed by hand on small scores."""

import pytest

from benchmarks.quality.runs import RECIPES, recipe_students
from benchmarks.quality.standings import answers_needed, recipe_standings, standings_page

ROWS = [f"r{n}" for n in range(40)]
BASE = dict.fromkeys(ROWS, False)
TEACHER = {row: n < 20 for n, row in enumerate(ROWS)}


def passing(count: int) -> dict[str, bool]:
    """Scores of which the first so many pass."""
    return {row: n < count for n, row in enumerate(ROWS)}


def test_standings_by_hand() -> None:
    """Teacher 50 %, base 0: 18 and 14 of 40 are 40 %, four fifths of the gap; the same seeds give
    no difference to themselves."""
    standings = recipe_standings(
        BASE,
        TEACHER,
        {
            ("ce", 50): {0: passing(18), 1: passing(14)},
            ("kl", 50): {0: passing(20), 1: passing(16)},
            ("ce", 25): {0: passing(10), 1: passing(10)},
        },
    )
    ce, kl, fewer = standings
    assert [standing.answers for standing in standings] == [50, 50, 25]
    assert ce.strict.value == pytest.approx(0.40) and ce.seeds == (0.45, 0.35)
    assert ce.gap is not None and ce.gap.value == pytest.approx(0.80)
    assert ce.over_reference is None
    assert kl.over_reference is not None and kl.over_reference.value == pytest.approx(0.05)
    assert fewer.gap is not None and fewer.gap.value == pytest.approx(0.5)
    assert answers_needed(standings, "ce", lower_bound=False) == 50
    assert answers_needed(standings, "ce", lower_bound=True) is None
    text = standings_page(0.0, 0.5, standings, {"ce": "text", "kl": "stored"})
    assert "| ce | 50 | more than were tried |" in text


def test_every_way_is_told_of() -> None:
    """A way without its line, or the reverse, would leave the table unread."""
    assert {student.name for student in recipe_students(None)} == set(RECIPES)
    assert {student.name for student in recipe_students(25)} < set(RECIPES)
