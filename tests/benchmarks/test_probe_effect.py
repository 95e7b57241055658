"""The probes' benchmark compares the same rows of the same seeds, rule by rule."""

from benchmarks.quality.probe_effect import Passes, rule_effects


def _passes(rule: str, *passed: bool) -> Passes:
    return {rule: {(0, f"row-{index}"): value for index, value in enumerate(passed)}}


def test_a_change_is_of_pairs_alone() -> None:
    """Of four rows three are decided on both sides, and one of them is won: +1/3, not 3/3 − 2/4."""
    before = _passes("closing", True, True, False, False)
    after = _passes("closing", True, True, True)
    (effect,) = rule_effects(before, after)
    assert effect.rows == 3
    assert (effect.without.value, effect.with_probes.value) == (2 / 3, 1.0)
    assert abs(effect.change.value - 1 / 3) < 1e-12
    assert effect.change.low < 1 / 3 < effect.change.high


def test_what_cannot_be_compared_is_left_out() -> None:
    """A rule that one side never decided, and one of a single row."""
    assert rule_effects(_passes("vague", True, False), _passes("partial", True, False)) == []
    assert rule_effects(_passes("vague", True), _passes("vague", False)) == []
