"""An arm with answers to 2 of 24 rows is not "100 %": the other 22 rows are missing."""

from judge.checks.check import code_verdicts
from judge.metrics.scores import score
from tests.judge.factories import PROMPT, make_answer, make_row, make_rule, make_rules

RULES = make_rules(make_rule({"type": "no_digits"}, severity="must"), slices=("tags.place",))
ROWS = [make_row(f"r{n}", tags={"place": "north" if n < 12 else "south"}) for n in range(24)]


def test_rows_without_an_answer_are_missing() -> None:
    verdicts = [
        verdict
        for row in ROWS[:2]
        for verdict in code_verdicts(RULES, PROMPT, row, make_answer("Да.", row.id))
    ]
    scores = score(RULES, ROWS, verdicts)
    strict, rule = scores.arms["base"].strict, scores.arms["base"].rules["it"]
    assert (strict.rate, strict.n, strict.missing) == (1.0, 2, 22)
    assert (strict.low_bound, strict.high_bound) == (2 / 24, 1.0)
    assert (rule.missing, rule.applicable, rule.scored) == ({"unanswered": 22}, 24, 2)


def test_a_whole_arm_misses_none_and_a_slice_its_own() -> None:
    """Ten of the north are answered of 12, and all of the south."""
    verdicts = [
        verdict
        for row in ROWS[2:]
        for verdict in code_verdicts(RULES, PROMPT, row, make_answer("Да.", row.id))
    ]
    slices = {part.value: part.strict for part in score(RULES, ROWS, verdicts).slices}
    assert {name: part.missing for name, part in slices.items()} == {"north": 2, "south": 0}
