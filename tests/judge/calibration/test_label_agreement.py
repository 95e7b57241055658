"""Agreement of the useful score with people's gold; counts by hand."""

from judge.calibration.label_agreement import disagreements, rule_pass_counts, useful_agreements
from judge.calibration.variants import (
    CODE_ONLY,
    CODE_ONLY_LABEL_FREE,
    strict_variants,
    variant_tables,
)
from judge.metrics.verdict_table import LABEL_FREE, STRICT, USEFUL, USEFUL_BY_CODE
from tests.judge.calibration.gold_factory import MIXED, YES, gold_comparison
from tests.judge.factories import llm_check, make_rule, make_rules


def test_variants_leave_rules_out() -> None:
    must_rules = {
        name: list(variant.must_rules) for name, variant in strict_variants(MIXED).items()
    }
    assert must_rules == {
        STRICT: ["blind", "by_label", "by_label_converse", "asked", "asked_when"],
        LABEL_FREE: ["blind", "asked", "asked_when"],
        CODE_ONLY: ["blind", "by_label", "by_label_converse"],
        CODE_ONLY_LABEL_FREE: ["blind"],
    }
    only = make_rules(make_rule(llm_check()))
    # A score that rests on nothing is not stated.
    assert set(variant_tables(only, [], [])) == {STRICT, LABEL_FREE}


class TestAgainstGold:
    def test_a_perfect_judge(self) -> None:
        agreement = useful_agreements(gold_comparison(YES, [("да", True), ("нет", False)] * 20))[
            USEFUL
        ]
        for half in (agreement.tune, agreement.report):
            assert (half.n, half.accuracy and half.accuracy.value) == (20, 1)
            assert (half.kappa and half.kappa.value, half.ac1, half.j) == (1, 1, 1)

    def test_a_judge_that_is_always_wrong(self) -> None:
        agreement = useful_agreements(gold_comparison(YES, [("нет", True), ("да", False)] * 20))[
            USEFUL
        ].report
        assert (agreement.j, agreement.true_pass, agreement.true_fail) == (-1, 0, 0)
        assert (
            agreement.tpr and agreement.tnr and (agreement.tpr.value, agreement.tnr.value) == (0, 0)
        )

    def test_a_judge_that_knows_nothing(self) -> None:
        texts = [("да", True), ("да", False), ("нет", True), ("нет", False)] * 20
        agreement = useful_agreements(gold_comparison(YES, texts))[USEFUL]
        counts = [
            agreement.tune.true_pass + agreement.report.true_pass,
            agreement.tune.n + agreement.report.n,
        ]
        assert counts == [20, 80]
        assert (
            agreement.report.kappa and agreement.report.kappa.low < 0 < agreement.report.kappa.high
        )

    def test_missing_verdicts_are_no_disagreement(self) -> None:
        """Without a model nothing decides the whole score, not even a broken rule in code.

        A fail that counted alone would make a biased sample: answers that fail and none that pass.
        Code's own part of the score decides everything.
        """
        comparison = gold_comparison(MIXED, [("да", True), ("ой", True)] * 10)
        agreements = useful_agreements(comparison)
        whole, code = agreements[USEFUL], agreements[USEFUL_BY_CODE]
        assert (whole.rules, code.rules) == (("blind", "asked"), ("blind",))
        assert (whole.whole.n, whole.whole.missing) == (0, 20)
        assert (code.whole.n, code.whole.true_pass, code.whole.false_fail) == (20, 10, 10)
        assert comparison.score == USEFUL_BY_CODE

    def test_where_no_rule_applies_nothing_is_said(self) -> None:
        """The rule on labels applies to no row, so no answer is useful or useless by it."""
        only = MIXED.model_copy(update={"useful": ("by_label",)})
        agreement = useful_agreements(gold_comparison(only, [("да", True)] * 3))[USEFUL]
        assert (agreement.whole.n, agreement.whole.missing) == (0, 3)
        none = MIXED.model_copy(update={"useful": ()})
        assert useful_agreements(gold_comparison(none, [("да", True)] * 3)) == {}

    def test_pass_counts_of_a_rule(self) -> None:
        comparison = gold_comparison(YES, [("да", True), ("да", False), ("нет", False)])
        counts = next(rule_pass_counts(comparison))
        assert (counts.rule, counts.good, counts.good_passes, counts.bad, counts.bad_passes) == (
            "yes",
            1,
            1,
            2,
            1,
        )

    def test_the_worst_come_first(self) -> None:
        both = make_rules(
            make_rule({"type": "contains", "text": "да"}, id="yes"),
            make_rule({"type": "no_digits"}, id="bare"),
            useful=("yes", "bare"),
        )
        texts = [("да 1", True), ("нет 1", True), ("да", False), ("да", True), ("нет", False)]
        agreement, count = disagreements(gold_comparison(both, texts))
        assert count == 3
        assert [(entry.row, entry.passes, entry.broken) for entry in agreement] == [
            ("r2", True, ()),
            ("r1", False, ("yes", "bare")),
            ("r0", False, ("bare",)),
        ]
        assert agreement[1].excerpt == "нет 1"
