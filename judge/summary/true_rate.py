"""An arm's true rate of good answers: the judge's rate corrected, or people's labels extended.

`correct_score` needs a calibration of the judge and assumes that the judge errs on the arm as on
the systems that people labelled. The other two need labels of the arm's own answers to val.
"""

from collections.abc import Sequence

from data.answers import Answer
from judge.annotation.sheet import ArmLabels, answer_id
from judge.calibration.record import Calibration
from judge.metrics.agreement import Confusion, effective_confusion, share_correct
from judge.metrics.distribution_shift import AnsweredSplit
from judge.metrics.estimators import corrected_rate, powered_rate
from judge.metrics.interval import Interval, Refusal
from judge.metrics.verdict_table import STRICT, VerdictTable, useful_rules
from judge.summary.records import LabelEstimate


def correct_score(
    calibration: Calibration | Refusal, split: AnsweredSplit | None, arm: str | None
) -> Interval | Refusal:
    """The share of an arm's answers that people would call good.

    Inferred from the arm's rate by the useful score, and from that score's errors on the logged
    answers that people called good or bad. Wrong where the judge errs otherwise on this arm: with a
    TNR of 0.5 instead of 0.8 the interval covers the truth in 19 % of simulated runs.
    """
    if isinstance(calibration, Refusal):
        return calibration
    if split is None or arm not in split.table.verdicts:
        return Refusal("the current rules have not judged the answers")
    score = calibration.stated
    against_gold = calibration.useful.get(score)
    if against_gold is None or not against_gold.report.n:
        return Refusal("this score decides no logged answer that people called good or bad")
    if against_gold.rules != useful_rules(split.table.rules, score):
        return Refusal("the rules in `useful` have changed since; calibrate again")
    gold = against_gold.report
    return _corrected_rate(split.table, arm, score, effective_confusion(gold.tpr, gold.tnr))


def correct_by_own_labels(
    arm: str,
    labels: ArmLabels | None,
    val: AnsweredSplit | None,
    hidden: AnsweredSplit | None,
    score: str,
) -> Interval | Refusal:
    """The share of an arm's hidden answers that people would call good.

    Inferred from the arm's rate by `score` on the hidden rows, and from that score's errors on the
    arm's own answers to val that people labelled. Assumes that the judge errs on hidden rows as on
    val rows of the same arm. Refused without such labels: errors on other systems' answers say
    little about this arm.
    """
    if labels is None:
        return Refusal(
            f"people labelled no answer of {arm}, and the judge may err on them otherwise than on "
            "the systems that they labelled; export some, label and import them"
        )
    if val is None or hidden is None or arm not in hidden.table.verdicts:
        return Refusal("the current rules have not judged the answers")
    stale = _stale(labels, [answer for answer in val.answers if answer.arm == arm])
    if stale is not None:
        return stale
    on_val = val.table.decided(arm, score)
    good = {(label.row, label.sample): label.good for label in labels.labels}
    keys = [key for key in good if key in on_val]
    people, judged = [good[key] for key in keys], [on_val[key] for key in keys]
    clusters = val.table.clusters(keys)
    tpr, tnr = (share_correct(people, judged, clusters, side) for side in (True, False))
    return _corrected_rate(hidden.table, arm, score, effective_confusion(tpr, tnr))


def _corrected_rate(
    table: VerdictTable, arm: str, score: str, calibration: Confusion
) -> Interval | Refusal:
    """The arm's corrected rate; the best student's less what its choice took off."""
    decided = table.decided(arm, score)
    passed, clusters = list(decided.values()), table.clusters(decided)
    return corrected_rate(passed, clusters, calibration, table.optimism(arm, score))


def _stale(labels: ArmLabels, answers: Sequence[Answer]) -> Refusal | None:
    """Why labels cannot be used with these answers: some answers have changed."""
    ids = {answer_id(answer) for answer in answers}
    stale = sum(label.answer not in ids for label in labels.labels)
    if not stale:
        return None
    return Refusal(
        f"{stale} of {len(labels.labels)} labels belong to answers that were generated anew "
        "since, and the rest are no random sample; export and label again"
    )


def estimate_good_rate(
    arm: str, labels: ArmLabels, answers: Sequence[Answer], table: VerdictTable
) -> LabelEstimate | Refusal:
    """The labels with the judge's strict scores of all the arm's `answers`.

    Refused when the text of a labelled answer has changed (the remaining labels are no random
    sample), when an answer was never scored, and when only one question is labelled.
    """
    stale = _stale(labels, answers)
    if stale is not None:
        return stale
    keys = [(answer.row, answer.sample) for answer in answers]
    by_key = table.scores[STRICT].get(arm, {})
    unscored = [row for row, sample in keys if (row, sample) not in by_key]
    if unscored:
        return Refusal(
            f"the answer to row {unscored[0]} has no verdicts; run `python -m judge CONFIG score` "
            "again"
        )
    good = {(label.row, label.sample): label.good for label in labels.labels}
    decided = {key: passed for key in keys if (passed := by_key[key].decided) is not None}
    people = table.rate(good)
    labels_by_key, verdicts = map(good.get, keys), map(decided.get, keys)
    powered = powered_rate(list(labels_by_key), list(verdicts), table.clusters(keys))
    if people is None or powered is None:
        return Refusal("only one question is labelled; label answers to others too")
    return LabelEstimate(
        answers=len(keys),
        labelled=len(good),
        blank=labels.blank,
        people=people,
        judge=table.rate(decided, table.optimism(arm, STRICT)),
        judge_missing=len(keys) - len(decided),
        powered=powered.rate,
        weight=powered.weight,
    )
