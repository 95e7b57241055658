"""Corrects a strict rate for the judge's errors, where a calibration of that score allows it."""

from judge.calibration.record import Calibration
from judge.checks.applicability import by_model
from judge.metrics.agreement import Confusion
from judge.metrics.distribution_shift import AnsweredSplit
from judge.metrics.estimators import corrected_rate
from judge.metrics.interval import Refusal
from judge.summary.records import CorrectedRate


def correct_score(
    calibration: Calibration | Refusal, split: AnsweredSplit | None, arm: str | None, score: str
) -> CorrectedRate:
    """The share of an arm's answers that people would call good.

    Inferred from the arm's rate by `score` (STRICT or LABEL_FREE), and from that score's errors on
    the logged answers that people called good or bad.
    """
    if isinstance(calibration, Refusal):
        return _raw(calibration.reason)
    if split is None or arm not in split.table.verdicts:
        return _raw("the current rules have not judged the answers")
    against_gold = calibration.scores.get(score)
    if against_gold is None or not against_gold.report.n:
        return _raw("this score decides no logged answer that people called good or bad")
    rules = split.table.rules.scored_rules()
    must = against_gold.must_rules
    by_llm = [scored.id for scored in rules if scored.id in must and by_model(scored)]
    if by_llm and calibration.judge.model is None:
        return _raw(f"a language model decides {', '.join(by_llm)} and was not calibrated")
    gold = against_gold.report
    counts = Confusion(gold.true_pass, gold.false_pass, gold.false_fail, gold.true_fail)
    decided = split.table.decided(arm, score)
    rate = corrected_rate(list(decided.values()), split.table.clusters(decided), counts)
    if isinstance(rate, Refusal):
        return _raw(rate.reason)
    return CorrectedRate(value=rate.value, low=rate.low, high=rate.high, refused=None)


def _raw(reason: str) -> CorrectedRate:
    return CorrectedRate(value=None, low=None, high=None, refused=reason)
