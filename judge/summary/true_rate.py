"""An arm's true rate of good answers: the judge's rate corrected, or people's labels extended.

`correct_score` needs a calibration of the judge and assumes that the judge errs on the arm as on
the systems that people labelled. The others need labels of the arms' own answers to val.
"""

from collections.abc import Mapping, Sequence

from data.answers import Answer, logged_answers
from judge.annotation.sheet import ArmLabels, answer_id
from judge.calibration.record import Calibration
from judge.metrics.agreement import Confusion, effective_confusion, share_correct
from judge.metrics.distribution_shift import AnsweredSplit
from judge.metrics.estimators import (
    LabelledSample,
    corrected_rate,
    powered_difference,
    powered_rate,
)
from judge.metrics.interval import Interval, Refusal
from judge.metrics.verdict_table import STRICT, AnswerKey, VerdictTable, useful_rules
from judge.summary.records import LabelDifference, LabelEstimate


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
    ids = {(answer_id(answer), answer.row, answer.sample) for answer in answers}
    stale = sum((label.answer, label.row, label.sample) not in ids for label in labels.labels)
    if not stale:
        return None
    return Refusal(
        f"{stale} of {len(labels.labels)} labels belong to answers that were generated anew "
        "since, and the rest are no random sample; export and label again"
    )


def labelled_answers(val: AnsweredSplit) -> list[Answer]:
    """The answers that labels are a sample of: all but those whose prompt did not fit."""
    answers = [*val.answers, *(answer for row in val.rows for answer in logged_answers(row))]
    return [answer for answer in answers if answer.finish != "too_long"]


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
    scores = table.scores[STRICT].get(arm, {})
    unscored = [row for row, sample in keys if (row, sample) not in scores]
    if unscored:
        return Refusal(
            f"the answer to row {unscored[0]} has no verdicts; run `unprompted judge CONFIG score` "
            "again"
        )
    good = {(label.row, label.sample): label.good for label in labels.labels}
    sample_of_arm = _labelled_sample(arm, labels, table, keys)
    verdicts = zip(keys, sample_of_arm.judged, strict=True)
    decided = {key: bool(passed) for key, passed in verdicts if passed is not None}
    powered = powered_rate(sample_of_arm, table.clusters(keys))
    people = table.rate(good, powered.optimism if powered else 0.0)
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


def estimate_good_difference(
    student: str | None, against: str, labels: Mapping[str, ArmLabels], val: AnsweredSplit | None
) -> LabelDifference | None:
    """The student's rate of good answers − that of the other arm, on the rows that both answered.

    None unless people labelled answers of both arms; refused where the rate of either arm is.
    """
    if student is None or val is None or student not in labels or against not in labels:
        return None
    arms, answers, table = (student, against), labelled_answers(val), val.table
    keys = dict[str, list[AnswerKey]]()
    for arm in arms:
        of_arm = [answer for answer in answers if answer.arm == arm]
        rate = estimate_good_rate(arm, labels[arm], of_arm, table)
        if isinstance(rate, Refusal):
            refused = Refusal(f"{arm}: {rate.reason}")
            return LabelDifference.of(refused, student=student, against=against)
        keys[arm] = [(answer.row, answer.sample) for answer in of_arm]
    answered = set(keys[against])
    common = [key for key in keys[student] if key in answered]
    first, second = (_labelled_sample(arm, labels[arm], table, common) for arm in arms)
    difference = powered_difference(first, second, table.clusters(common))
    paired = zip(first.labels, second.labels, strict=True)
    return LabelDifference.of(
        difference or Refusal("the rows that both arms answered hold too few labels"),
        student=student,
        against=against,
        rows=len(common),
        labelled=sum(label is not None for label in first.labels),
        labelled_against=sum(label is not None for label in second.labels),
        labelled_both=sum(None not in labels_of_row for labels_of_row in paired),
    )


def _labelled_sample(
    arm: str, labels: ArmLabels, table: VerdictTable, keys: Sequence[AnswerKey]
) -> LabelledSample:
    """The arm's labels and strict scores of these answers, those that a search saw included."""
    good = {(label.row, label.sample): label.good for label in labels.labels}
    scores = table.scores[STRICT].get(arm, {})
    judged = [scores[key].decided for key in keys]
    return LabelledSample([good.get(key) for key in keys], judged, table.optimism(arm, STRICT))
