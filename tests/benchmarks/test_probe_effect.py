"""The probes' benchmark compares the same rows of the same seeds, rule by rule."""

from benchmarks.quality.probe_effect import Passed, changes


def _side(rule: str, *passed: bool) -> Passed:
    return {rule: {(0, f"row-{at}"): value for at, value in enumerate(passed)}}


def test_a_change_is_of_pairs_alone() -> None:
    """Of four rows three are decided on both sides, and one of them is won: +1/3, not 3/3 − 2/4."""
    before = _side("closing", True, True, False, False)
    after = _side("closing", True, True, True)
    (found,) = changes(before, after)
    assert found.rows == 3
    assert (found.without.value, found.with_probes.value) == (2 / 3, 1.0)
    assert abs(found.change.value - 1 / 3) < 1e-12
    assert found.change.low < 1 / 3 < found.change.high


def test_what_cannot_be_compared_is_left_out() -> None:
    """A rule that one side never decided, and one of a single row."""
    assert changes(_side("vague", True, False), _side("partial", True, False)) == []
    assert changes(_side("vague", True), _side("vague", False)) == []
