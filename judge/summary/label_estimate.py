"""An arm's rate of good answers, from people's labels of some and the judge's scores of all."""

from collections.abc import Sequence

from data.answers import Answer
from judge.annotation.sheet import ArmLabels, answer_id
from judge.metrics.estimators import powered_rate
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import VerdictTable
from judge.summary.records import LabelEstimate


def estimate_good_rate(
    arm: str, labels: ArmLabels, answers: Sequence[Answer], table: VerdictTable
) -> LabelEstimate | Refusal:
    """The labels with the judge's strict scores of all the arm's `answers`.

    Refused when the text of a labelled answer has changed (the remaining labels are no random
    sample), when an answer was never scored, and when only one question is labelled.
    """
    ids = {answer_id(answer) for answer in answers}
    stale = sum(label.answer not in ids for label in labels.labels)
    if stale:
        return Refusal(
            f"{stale} of {len(labels.labels)} labels belong to answers that were generated anew "
            "since, and the rest are no random sample; export and label again"
        )
    keys = [(answer.row, answer.sample) for answer in answers]
    scores = table.strict.get(arm, {})
    unscored = [row for row, sample in keys if (row, sample) not in scores]
    if unscored:
        return Refusal(
            f"the answer to row {unscored[0]} has no verdicts; run `python -m judge CONFIG score` "
            "again"
        )
    good = {(label.row, label.sample): label.good for label in labels.labels}
    decided = {key: passed for key in keys if (passed := scores[key]) is not None}
    people = table.rate(good)
    judge = table.rate(decided)
    powered = powered_rate(
        [good.get(key) for key in keys],
        [decided.get(key) for key in keys],
        table.clusters(keys),
    )
    if people is None or powered is None:
        return Refusal("only one question is labelled; label answers to others too")
    return LabelEstimate(
        answers=len(keys),
        labelled=len(good),
        blank=labels.blank,
        people=people,
        judge=judge,
        judge_missing=len(keys) - len(decided),
        powered=powered.rate,
        weight=powered.weight,
    )
