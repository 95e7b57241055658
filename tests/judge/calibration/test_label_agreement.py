"""Agreement of the strict score and its variants with people's gold; counts by hand."""

from judge.calibration.label_agreement import disagreements, rule_pass_counts, variant_agreement
from judge.calibration.variants import (
    CODE_ONLY,
    CODE_ONLY_LABEL_FREE,
    strict_variants,
    variant_tables,
)
from judge.metrics.verdict_table import LABEL_FREE, STRICT
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


def test_the_score_of_hidden_rows_is_calibrated_as_it_is_scored() -> None:
    """The variant's strict score is the table's own label-free score, answer by answer."""
    tables = gold_comparison(MIXED, [("да", True), ("ой", True), ("нет 1", False)] * 3).tables
    of_all_rules = tables[STRICT].scores[LABEL_FREE]
    assert tables[LABEL_FREE].strict == {
        arm: {key: answer.certain for key, answer in answers.items()}
        for arm, answers in of_all_rules.items()
    }


class TestAgainstGold:
    def test_a_perfect_judge(self) -> None:
        agreement = variant_agreement(
            gold_comparison(YES, [("да", True), ("нет", False)] * 20), STRICT
        )
        for half in (agreement.tune, agreement.report):
            assert (half.n, half.accuracy and half.accuracy.value) == (20, 1)
            assert (half.kappa and half.kappa.value, half.ac1, half.j) == (1, 1, 1)

    def test_a_judge_that_is_always_wrong(self) -> None:
        agreement = variant_agreement(
            gold_comparison(YES, [("нет", True), ("да", False)] * 20), STRICT
        ).report
        assert (agreement.j, agreement.true_pass, agreement.true_fail) == (-1, 0, 0)
        assert (
            agreement.tpr and agreement.tnr and (agreement.tpr.value, agreement.tnr.value) == (0, 0)
        )

    def test_a_judge_that_knows_nothing(self) -> None:
        texts = [("да", True), ("да", False), ("нет", True), ("нет", False)] * 20
        agreement = variant_agreement(gold_comparison(YES, texts), STRICT)
        counts = [
            agreement.tune.true_pass + agreement.report.true_pass,
            agreement.tune.n + agreement.report.n,
        ]
        assert counts == [20, 80]
        assert (
            agreement.report.kappa and agreement.report.kappa.low < 0 < agreement.report.kappa.high
        )

    def test_missing_verdicts_are_no_disagreement(self) -> None:
        """Without a model only a broken code rule decides; code's own score decides everything."""
        comparison = gold_comparison(MIXED, [("да", True), ("ой", True)] * 10)
        strict, code = (
            variant_agreement(comparison, STRICT),
            variant_agreement(comparison, CODE_ONLY),
        )
        assert strict.tune.n + strict.report.n == strict.tune.false_fail + strict.report.false_fail
        assert strict.tune.missing + strict.report.missing == 10
        assert code.tune.n + code.report.n == 20 and code.report.missing == 0

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
