"""Whether the verdicts tell the arms of a run apart at all."""

from judge.metrics.distribution_shift import AnsweredSplit
from judge.summary.records import AgreeingArms


def find_agreeing_arms(val: AnsweredSplit | None) -> AgreeingArms | None:
    """All arms but the logged answers, where they have the same verdicts on every row.

    None where they differ, or where fewer than two were judged.
    """
    if val is None:
        return None
    outcomes = {
        arm: {
            key: {rule: verdict.outcome for rule, verdict in by_rule.items()}
            for key, by_rule in answers.items()
        }
        for arm, answers in val.table.verdicts.items()
        if not arm.startswith("logged/")
    }
    first, *others = outcomes.values() or ({},)
    if not first or not others or any(other != first for other in others):
        return None
    return AgreeingArms(arms=tuple(outcomes), rows=len({row for row, _ in first}))
