"""The strict score against people's gold: strict_variants that leave rules out, counts by hand."""

from judge.calibration.label_agreement import disagreements, rule_pass_counts, variant_agreement
from judge.calibration.variants import (
    CODE_ONLY,
    CODE_ONLY_LABEL_FREE,
    strict_variants,
    variant_tables,
)
from judge.metrics.verdict_table import LABEL_FREE, STRICT
from tests.judge.calibration.held import MIXED, YES, held
from tests.judge.factories import llm_check, make_rule, make_rules


def test_views_leave_out_what_they_say() -> None:
    rested = {name: list(view.must_rules) for name, view in strict_variants(MIXED).items()}
    assert rested == {
        STRICT: ["blind", "by_label", "by_label_converse", "asked", "asked_when"],
        LABEL_FREE: ["blind", "asked", "asked_when"],
        CODE_ONLY: ["blind", "by_label", "by_label_converse"],
        CODE_ONLY_LABEL_FREE: ["blind"],
    }
    only = make_rules(make_rule(llm_check()))
    # A score that rests on nothing is not stated.
    assert set(variant_tables(only, [], [])) == {STRICT, LABEL_FREE}


def test_the_score_of_hidden_rows_is_calibrated_as_it_is_scored() -> None:
    """The view's strict score is the board's own score without labels, answer by answer."""
    found = held(MIXED, [("да", True), ("ой", True), ("нет 1", False)] * 3).tables
    assert found[LABEL_FREE].strict == found[STRICT].label_free


class TestAgainstGold:
    def test_a_perfect_judge(self) -> None:
        found = variant_agreement(held(YES, [("да", True), ("нет", False)] * 20), STRICT)
        for half in (found.tune, found.report):
            assert (half.n, half.accuracy and half.accuracy.value) == (20, 1)
            assert (half.kappa and half.kappa.value, half.ac1, half.j) == (1, 1, 1)

    def test_a_judge_that_is_always_wrong(self) -> None:
        found = variant_agreement(held(YES, [("нет", True), ("да", False)] * 20), STRICT).report
        assert (found.j, found.true_pass, found.true_fail) == (-1, 0, 0)
        assert found.tpr and found.tnr and (found.tpr.value, found.tnr.value) == (0, 0)

    def test_a_judge_that_knows_nothing(self) -> None:
        texts = [("да", True), ("да", False), ("нет", True), ("нет", False)] * 20
        found = variant_agreement(held(YES, texts), STRICT)
        counts = [found.tune.true_pass + found.report.true_pass, found.tune.n + found.report.n]
        assert counts == [20, 80]
        assert found.report.kappa and found.report.kappa.low < 0 < found.report.kappa.high

    def test_missing_verdicts_are_no_disagreement(self) -> None:
        """Without a model only a broken code rule decides; code's own score decides everything."""
        given = held(MIXED, [("да", True), ("ой", True)] * 10)
        strict, code = variant_agreement(given, STRICT), variant_agreement(given, CODE_ONLY)
        assert strict.tune.n + strict.report.n == strict.tune.false_fail + strict.report.false_fail
        assert strict.tune.missing + strict.report.missing == 10
        assert code.tune.n + code.report.n == 20 and code.report.missing == 0

    def test_rules_by_what_people_said(self) -> None:
        found = list(rule_pass_counts(held(YES, [("да", True), ("да", False), ("нет", False)])))
        one = found[0]
        assert (one.rule, one.good, one.good_passes, one.bad, one.bad_passes) == ("yes", 1, 1, 2, 1)

    def test_the_worst_come_first(self) -> None:
        both = make_rules(
            make_rule({"type": "contains", "text": "да"}, id="yes"),
            make_rule({"type": "no_digits"}, id="bare"),
        )
        texts = [("да 1", True), ("нет 1", True), ("да", False), ("да", True), ("нет", False)]
        found, count = disagreements(held(both, texts))
        assert count == 3
        assert [(one.row, one.passes, one.broken) for one in found] == [
            ("r2", True, ()),
            ("r1", False, ("yes", "bare")),
            ("r0", False, ("bare",)),
        ]
        assert found[1].excerpt == "нет 1"
