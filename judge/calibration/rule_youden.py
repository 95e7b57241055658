"""How well a language model decides the must-rules: J = TPR + TNR − 1, measured on the rules.

People's labels of whole answers judge how useful an answer is, so they say nothing about the
model's errors on a rule. The code rule that an llm rule shadows does, and so do people who judged
the rule, and mutants and harmless copies.
"""

from judge.calibration.record import Calibration
from judge.checks.applicability import by_model
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import independent_difference
from judge.records import RaterAgreement
from prompts.check_settings import LlmCheck
from prompts.rules import RuleFile


def margin_youden(rules: RuleFile, calibration: Calibration | Refusal) -> Interval | Refusal:
    """The lowest J of the must-rules that a model has a part in, by the interval's lower end.

    The true difference of two arms shrinks by J on the rule in which they differ, so the worst rule
    is the safe choice. Exactly 1 where code decides every must-rule. Refused where J of some rule
    was not measured.
    """
    lowest = Interval(1.0, 1.0, 1.0)
    for scored in rules.scored_rules():
        if not (scored.must and by_model(scored)):
            continue
        if isinstance(calibration, Refusal):
            return calibration
        rule = scored.rule
        index = rule_youden(rule.id, calibration) if isinstance(rule.check, LlmCheck) else None
        if index is None:
            return Refusal(
                f"the judge's errors on {rule.id} are not measured: let it shadow a rule in code "
                "(shadow_llm), have people label answers by it (export-for-labelling --rule), or "
                "calibrate with logged answers that obey it"
            )
        lowest = min(lowest, index, key=lambda interval: interval.low)
    return lowest


def rule_youden(rule: str, calibration: Calibration) -> Interval | None:
    """J of an llm rule: against the code rule that it shadows, otherwise against people who judged
    the rule, otherwise on mutants and copies.
    """
    agreements: list[tuple[str, RaterAgreement]] = [
        *((shadow.llm_rule, shadow) for shadow in calibration.shadows),
        *((labelled.rule, labelled) for labelled in calibration.rule_labels),
    ]
    for name, agreement in agreements:
        if name == rule and (index := agreement.youden) is not None:
            return index
    for score in calibration.mutations:
        if score.rule == rule and score.check == "llm" and score.specificity is not None:
            for kills in score.operators.values():  # a rule of a model has one operator
                caught = kills.sensitivity
                if caught is not None:
                    missed = Interval(1 - caught.value, 1 - caught.high, 1 - caught.low)
                    return independent_difference(score.specificity, missed)
    return None
