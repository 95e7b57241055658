"""When a judge counts as calibrated, and the reason when it does not."""

import pytest

from judge.calibration.record import FEWEST_LABELS, Calibration, calibration_flaw
from judge.calibration.rule_labels import RuleLabelAgreement
from judge.calibration.rule_youden import margin_youden, rule_youden
from judge.judge_note import Coverage, JudgeFingerprint
from judge.metrics.agreement import rater_agreement
from judge.metrics.estimators import MIN_J
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import wilson
from judge.metrics.verdict_table import USEFUL, USEFUL_BY_CODE
from judge.records import RaterAgreement, ShadowAgreement
from tests.judge.factories import llm_check, make_rule, make_rules
from tests.report.judge_fixture import make_calibration, make_useful

FINGERPRINT = JudgeFingerprint(model="m", mode="plain", rules="r", prompt="p", templates="t")


def people(good: int, passes: int, bad: int, fails: int, missing: int = 0) -> RaterAgreement:
    """Of the good answers `passes` pass, of the bad ones `fails` fail."""
    gold = [True] * good + [False] * bad
    judged = [n < passes for n in range(good)] + [n >= fails for n in range(bad)]
    return rater_agreement(gold, judged, range(good + bad), missing, 0)


def calibrated(agreement: RaterAgreement, **changes: object) -> Calibration:
    """A calibration whose useful score agrees with people like this."""
    useful = {USEFUL: make_useful(agreement, ("kind",))}
    return make_calibration(FINGERPRINT).model_copy(update={"useful": useful, **changes})


def test_enough_labels_and_a_clear_j() -> None:
    assert calibrated(people(20, 18, 20, 18)).flaw is None
    assert (
        calibration_flaw(calibrated(people(200, 140, 200, 140))) is None
    )  # J 0.4, ends 0.31, 0.49


@pytest.mark.parametrize(
    ("agreement", "reason"),
    [
        (people(1, 0, 1, 0), "on 1 good and 1 bad answers, fewer than 20"),  # J = −1
        (people(FEWEST_LABELS - 1, 19, 40, 40), "19 good and 40 bad"),
        (people(40, 40, FEWEST_LABELS - 1, 19), "40 good and 19 bad"),
        (people(40, 40, 0, 0), "40 good and 0 bad"),
        (people(0, 0, 0, 0), "on no answer that people call good or bad"),
        (people(30, 28, 30, 28, missing=60), "decides only 60 of 120 answers"),
        (people(20, 14, 20, 14), "J = 0.40 ["),  # as good as above, on too few answers to know
        (people(200, 100, 200, 100), "J = 0.00 ["),
        (people(200, 0, 200, 0), "J = -1.00 ["),
    ],
)
def test_refused_with_the_right_reason(agreement: RaterAgreement, reason: str) -> None:
    flaw = calibrated(agreement).flaw
    assert flaw is not None and reason in flaw
    assert not reason.startswith("J") or f"clearly above {MIN_J:g}" in flaw


def test_other_reasons_come_first() -> None:
    good = people(20, 18, 20, 18)
    lost = Coverage(expected=10, missing={"budget": 5}, unasked=5)
    flaw = calibrated(good, coverage=lost).flaw
    assert flaw is not None and "10 verdicts expected, 5 missing (budget 5)" in flaw
    assert "names no rule in `useful`" in (calibrated(good, useful={}).flaw or "")
    in_code = dict.fromkeys((USEFUL, USEFUL_BY_CODE), make_useful(good, ("grounded",)))
    flaw = calibrated(good, useful=in_code).flaw
    assert flaw is not None and "code alone decides the useful score (grounded)" in flaw
    old = good.model_copy(update={"j_low": None, "j_high": None})
    assert "earlier version" in (calibrated(old).flaw or "")
    assert calibration_flaw(Refusal("not run")) == "not run"


class TestRuleYouden:
    """J of the margin is measured on the rule, whatever people say of usefulness."""

    kind = make_rules(make_rule(llm_check(), id="kind"))
    useless = people(200, 0, 200, 0)

    def shadow(self, agreement: RaterAgreement) -> ShadowAgreement:
        return ShadowAgreement(code_rule="code", llm_rule="kind", **dict(agreement))

    def test_code_never_errs(self) -> None:
        code = make_rules(make_rule({"type": "json"}, id="code"))
        assert margin_youden(code, Refusal("not run")) == Interval(1, 1, 1)

    def test_the_shadow_comes_first(self) -> None:
        shadow = self.shadow(people(40, 36, 40, 32))
        calibration = calibrated(self.useless, shadows=(shadow,))
        assert margin_youden(self.kind, calibration) == shadow.youden
        assert shadow.youden is not None and shadow.youden.value == pytest.approx(0.7)

    def test_people_who_judged_the_rule_come_next(self) -> None:
        labelled = RuleLabelAgreement(rule="kind", **dict(people(40, 34, 40, 34)))
        other = labelled.model_copy(update={"rule": "other"})
        calibration = calibrated(self.useless, shadows=(), rule_labels=(other, labelled))
        index = margin_youden(self.kind, calibration)
        assert index == labelled.youden and isinstance(index, Interval)
        assert index.value == pytest.approx(0.7)
        shadow = self.shadow(people(40, 36, 40, 32))
        both = calibration.model_copy(update={"shadows": (shadow,)})
        assert margin_youden(self.kind, both) == shadow.youden
        of_one_kind = labelled.model_copy(update={"j": None})  # no J, as without labels
        assert rule_youden("kind", calibrated(self.useless, rule_labels=(of_one_kind,))) is None

    def test_mutants_and_copies(self) -> None:
        """9 of 10 mutants caught and 10 of 10 copies passed: J = 0.9, ends by Newcombe."""
        calibration = calibrated(self.useless, shadows=())
        (tested,) = (score for score in calibration.mutations if score.check == "starts_with")
        kills = tested.operators["removed "].model_copy(update={"sensitivity": wilson(9, 10)})
        score = tested.model_copy(
            update={
                "rule": "kind",
                "check": "llm",
                "operators": {"fail examples of the rule": kills},
                "specificity": wilson(10, 10),
            }
        )
        index = rule_youden("kind", calibration.model_copy(update={"mutations": (score,)}))
        caught, copies = wilson(9, 10), wilson(10, 10)
        assert index is not None and caught is not None and copies is not None
        assert index.value == pytest.approx(0.9)
        below = ((0.9 - caught.low) ** 2 + (1 - copies.low) ** 2) ** 0.5
        assert index.low == pytest.approx(0.9 - below)

    def test_the_worst_rule_counts(self) -> None:
        rules = make_rules(*(make_rule(llm_check(), id=name) for name in ("kind", "clear")))
        better = self.shadow(people(40, 40, 40, 40))
        worse = self.shadow(people(40, 30, 40, 30)).model_copy(update={"llm_rule": "clear"})
        calibration = calibrated(self.useless, shadows=(better, worse))
        assert margin_youden(rules, calibration) == worse.youden

    def test_not_measured(self) -> None:
        """No shadow and no mutant; a condition that the model decides has neither."""
        refused = margin_youden(self.kind, calibrated(self.useless, shadows=()))
        assert isinstance(refused, Refusal) and "errors on kind are not measured" in refused.reason
        when = make_rules(make_rule({"type": "json"}, id="code", applies={"llm": "Is it?"}))
        refused = margin_youden(when, calibrated(self.useless))
        assert isinstance(refused, Refusal) and "errors on code" in refused.reason
        assert margin_youden(self.kind, Refusal("not run")) == Refusal("not run")
