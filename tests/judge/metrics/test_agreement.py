"""Agreement of two raters against statsmodels, published tables and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from judge.metrics.agreement import (
    Confusion,
    ac1,
    confusion,
    kappa,
    kappa_interval,
    rater_agreement,
    shadow_agreements,
    youden,
)
from judge.metrics.verdict_table import build_verdict_table
from judge.records import RaterAgreement, ShadowAgreement
from judge.verdict import Outcome, Verdict
from prompts.rules import RuleFile
from tests.judge.factories import llm_check, make_row, make_rule, make_rules, make_verdict
from tests.judge.metrics.intervals import as_tuple

TABLES = [
    Confusion(40, 5, 5, 10),
    Confusion(118, 2, 5, 0),
    Confusion(1, 2, 3, 4),
    Confusion(0, 7, 9, 0),
    Confusion(400, 1, 0, 3),
]


def answers(counts: Confusion) -> tuple[list[bool], list[bool]]:
    """Gold and judged, answer by answer."""
    kinds = [(True, True), (False, True), (True, False), (False, False)]
    pairs = [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(int(count))]
    return [gold for gold, _ in pairs], [judged for _, judged in pairs]


def measures(counts: Confusion) -> RaterAgreement:
    return rater_agreement(*answers(counts), range(int(counts.n)), 0, 0)


@pytest.mark.parametrize("counts", TABLES)
def test_counts_come_back(counts: Confusion) -> None:
    assert confusion(*answers(counts)) == counts
    assert counts.n == sum(counts) == counts.passes + counts.fails


@pytest.mark.parametrize("counts", TABLES)
def test_kappa_is_statsmodels(counts: Confusion) -> None:
    true_pass, false_pass, false_fail, true_fail = counts
    expected = cohens_kappa([[true_pass, false_fail], [false_pass, true_fail]]).kappa
    assert kappa(counts) == pytest.approx(expected, abs=1e-12)


def test_gwets_own_table() -> None:
    """Gwet 2008: 118 of 125 agree, all on one class; κ calls that chance (−0.02), AC1 does not."""
    paradox = Confusion(118, 2, 5, 0)
    assert ac1(paradox) == pytest.approx(0.9408, abs=5e-5)
    assert kappa(paradox) == pytest.approx(-0.0234, abs=5e-5)


def test_ac1_by_hand() -> None:
    """Half of all say pass: chance is 2·½·½ = ½, so agreement on 6 of 8 is (¾ − ½)/½ = ½."""
    assert ac1(Confusion(3, 1, 1, 3)) == 0.5
    assert ac1(Confusion(5, 0, 0, 0)) == 1.0  # κ is undefined here
    assert ac1(Confusion(0, 0, 0, 0)) is None


def test_shares_with_wilson() -> None:
    counts = Confusion(40, 5, 5, 10)
    agreement = measures(counts)
    for estimate, hits, n in (
        (agreement.accuracy, 50, 60),
        (agreement.tpr, 40, 45),
        (agreement.tnr, 10, 15),
    ):
        low, high = proportion_confint(hits, n, method="wilson")
        assert as_tuple(estimate) == pytest.approx((hits / n, low, high))
    assert agreement.balanced_accuracy == pytest.approx((40 / 45 + 10 / 15) / 2)
    assert youden(counts) == pytest.approx(40 / 45 + 10 / 15 - 1)


def test_undefined_is_none() -> None:
    only_passes = Confusion(3, 0, 1, 0)
    assert youden(only_passes) is None
    assert measures(only_passes).tnr is None
    assert measures(only_passes).balanced_accuracy is None
    assert kappa(Confusion(5, 0, 0, 0)) is None
    nothing = Confusion(0, 0, 0, 0)
    assert measures(nothing).accuracy is None and kappa(nothing) is None
    assert kappa_interval([True, True], [True, True], "ab", 0) is None
    assert kappa_interval([True, False], [True, False], "aa", 0) is None  # one question


class TestKappaInterval:
    gold, judged = answers(Confusion(40, 5, 5, 10))

    def test_against_a_plain_loop(self) -> None:
        random = np.random.default_rng(3)
        gold, judged = np.array(self.gold), np.array(self.judged)
        loop = []
        for _ in range(2000):
            picked = random.integers(0, 60, 60)
            loop.append(kappa(confusion(gold[picked].tolist(), judged[picked].tolist())))
        estimate = kappa_interval(self.gold, self.judged, range(60), 1)
        assert estimate is not None and estimate.value == kappa(confusion(self.gold, self.judged))
        expected = np.quantile(np.array(loop, dtype=float), [0.025, 0.975])
        assert as_tuple(estimate)[1:] == pytest.approx(
            expected, abs=0.04
        )  # ends of 2,000 move by 0.01

    def test_seeded(self) -> None:
        assert kappa_interval(self.gold, self.judged, range(60), 7) == kappa_interval(
            self.gold, self.judged, range(60), 7
        )

    def test_copies_of_a_question_add_no_certainty(self) -> None:
        once = kappa_interval(self.gold, self.judged, range(60), 1)
        names = list(range(60)) * 3
        copied = kappa_interval(self.gold * 3, self.judged * 3, names, 1)
        assert as_tuple(copied) == pytest.approx(as_tuple(once))
        apart = kappa_interval(self.gold * 3, self.judged * 3, range(180), 1)
        assert apart is not None and once is not None
        ratio = (once.high - once.low) / (apart.high - apart.low)
        assert ratio == pytest.approx(math.sqrt(3), rel=0.1)  # width falls with √n

    def test_covers(self) -> None:
        """True κ: passes 0.7, judge 0.9/0.8: agree 0.87, chance 0.7·0.69 + 0.3·0.31 = 0.576.

        150 answers: measured 94.5 %. Of 1,000 draws 93 … 97 % is ± 3 standard errors.
        """
        truth = (0.87 - 0.576) / (1 - 0.576)
        random = np.random.default_rng(2)
        gold = random.random((1000, 150)) < 0.7
        judged = random.random((1000, 150)) < np.where(gold, 0.9, 0.2)
        covered = 0
        for number in range(1000):
            estimate = kappa_interval(gold[number].tolist(), judged[number].tolist(), range(150), 0)
            assert estimate is not None
            covered += estimate.low <= truth <= estimate.high
        assert 0.93 <= covered / 1000 <= 0.97

    def test_no_disagreement_is_not_certainty(self) -> None:
        """κ at the accuracy's Wilson bound: 20 of 20 is ≥ 0.839, chance ½: κ ≥ 0.678."""
        gold = [True, False] * 10
        estimate = kappa_interval(gold, gold, range(20), 0)
        low, _ = proportion_confint(20, 20, method="wilson")
        assert as_tuple(estimate) == pytest.approx((1.0, (low - 0.5) / 0.5, 1.0))

    def test_undefined_resamples_widen(self) -> None:
        """One fail in 30: a third of the resamples lack it and show nothing beyond chance."""
        gold = [True] * 29 + [False]
        estimate = kappa_interval(gold, [True] * 28 + [False] * 2, range(30), 0)
        assert estimate is not None and estimate.low <= 0 and estimate.high == 1


def shadow_agreement(
    verdicts: list[Verdict], rules: RuleFile, questions: int = 65
) -> ShadowAgreement:
    """Of rules with one shadow, on rows with so many different questions."""
    rows = [make_row(f"r{number}", question=f"{number % questions}") for number in range(65)]
    (agreement,) = shadow_agreements(build_verdict_table(rules, rows, verdicts))
    return agreement


class TestAgreements:
    def test_confusion_by_hand(self) -> None:
        """50 of 60 agree; by chance (45² + 15²)/60² = 5/8 would: κ = (5/6 − 5/8)/(3/8) = 5/9."""
        rules = make_rules(
            make_rule({"type": "json"}, id="code", shadow_llm="llm"),
            make_rule(llm_check(), id="llm"),
        )
        cells: list[tuple[int, Outcome, Outcome]] = [
            (40, "pass", "pass"),
            (5, "pass", "fail"),
            (5, "fail", "pass"),
            (10, "fail", "fail"),
            (3, "pass", "missing"),
            (2, "not_applicable", "pass"),
        ]
        pairs = [(gold, judged) for count, gold, judged in cells for _ in range(int(count))]
        verdicts = [
            verdict
            for number, (gold, judged) in enumerate(pairs)
            for verdict in (
                make_verdict(gold, "code", f"r{number}"),
                make_verdict(judged, "llm", f"r{number}"),
            )
        ]
        estimate = shadow_agreement(verdicts, rules)
        assert (
            estimate.true_pass,
            estimate.false_fail,
            estimate.false_pass,
            estimate.true_fail,
        ) == (
            40,
            5,
            5,
            10,
        )
        assert (estimate.n, estimate.missing) == (60, 3)
        assert estimate.kappa is not None and estimate.kappa.value == pytest.approx(5 / 9)
        assert estimate.ac1 == pytest.approx((5 / 6 - 3 / 8) / (1 - 3 / 8))  # ¾ of all say pass
        assert estimate.kappa.low < 5 / 9 < estimate.kappa.high
        few = shadow_agreement(verdicts, rules, questions=6)
        assert few.kappa is not None and few.kappa.value == estimate.kappa.value
        assert (few.kappa.low, few.kappa.high) != (estimate.kappa.low, estimate.kappa.high)
        assert estimate.accuracy is not None and estimate.accuracy.value == 50 / 60
        assert estimate.tpr is not None and estimate.tpr.value == 40 / 45
        assert estimate.tnr is not None and estimate.tnr.value == 10 / 15
        assert estimate.tnr.low == pytest.approx(
            binomtest(10, 15).proportion_ci(method="wilson").low
        )

    def test_an_arm_that_the_model_never_saw_misses_nothing(self) -> None:
        """Code decides four answers of each arm; the model was asked about the teacher's alone."""
        rules = make_rules(
            make_rule({"type": "json"}, id="code", shadow_llm="llm"),
            make_rule(llm_check(), id="llm"),
        )
        arms, rows = ("base", "teacher", "logged/a"), [f"r{number}" for number in range(4)]
        verdicts = [make_verdict("pass", "code", row, arm) for arm in arms for row in rows]
        verdicts += [make_verdict("pass", "llm", row, "teacher") for row in rows[:3]]
        verdicts += [make_verdict("missing", "llm", rows[3], "teacher")]
        unasked = [
            make_verdict("missing", "llm", row).model_copy(update={"reason": "not_run"})
            for row in rows
        ]
        estimate = shadow_agreement(verdicts + unasked, rules)
        assert (estimate.n, estimate.missing) == (3, 1)

    def test_undefined_is_none(self) -> None:
        rules = make_rules(
            make_rule({"type": "json"}, id="code", shadow_llm="llm"),
            make_rule(llm_check(), id="llm"),
        )
        passes = [make_verdict("pass", rule) for rule in ("code", "llm")]
        estimate = shadow_agreement(passes, rules)
        assert estimate.kappa is None and estimate.tnr is None
        nothing = shadow_agreement([], rules)
        assert nothing.n == 0 and nothing.accuracy is None and nothing.kappa is None
