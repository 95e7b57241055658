"""`unprompted judge CONFIG import-labels`: people's labels, combined with the judge's scores.

The labels count as a simple random sample of the arm's answers, as `export-for-labelling` sampled
it. Lines left blank on purpose bias the sample, so they are counted and shown. A label belongs to
one text: it does not count once the answer has changed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from config.console import print
from config.errors import DataError
from config.schema import Config
from data.answers import Answer
from data.atomic_write import write_text
from data.jsonl import read_records
from data.rows import Row
from data.run_paths import RunPaths
from data.stored_file import is_stored
from judge.annotation.sheet import ArmLabels, Label, Labels, answer_id, read_sheet, stored_labels
from judge.inputs import answered_pairs
from judge.metrics.interval import Refusal, format_difference
from judge.metrics.verdict_table import build_verdict_table
from judge.summary.records import LabelDifference, LabelEstimate
from judge.summary.summarise import write_summary
from judge.summary.true_rate import estimate_good_rate
from judge.verdict import Verdict
from prompts.prompt_file import load_prompt


def import_labels_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the arm's labels into judge/labels.json, beside those of other arms and rules.

    Labels of one rule measure the judge on that rule when it is calibrated.
    Raises DataError naming the line of an error on the sheet, and when the answers have not been
    scored.
    """
    run = RunPaths.of(config)
    pairs = answered_pairs(config)
    arm, rule, labels = _read_labels(arguments.sheet, pairs)
    if rule is not None:
        _write_rule_labels(config, arm, rule, labels)
        return 0
    answers = [answer for _, answer in pairs if answer.arm == arm]
    if not is_stored(run.verdicts):
        raise DataError(
            f"{run.verdicts}: does not exist; run `unprompted judge CONFIG score` first"
        )
    _, rules = load_prompt(config.prompt, Path())
    table = build_verdict_table(rules, run.rows("val"), read_records(run.verdicts, Verdict))
    estimate = estimate_good_rate(arm, labels, answers, table)
    if isinstance(estimate, Refusal):
        raise DataError(f"{arm}: {estimate.reason}")
    known = stored_labels(run)
    _write(run, known.model_copy(update={"arms": {**known.arms, arm: labels}}))
    summary = write_summary(config)
    print(_estimate_line(arm, estimate))
    if summary.label_difference is not None:
        print(_difference_line(summary.label_difference))
    return 0


def _write_rule_labels(config: Config, arm: str, rule: str, labels: ArmLabels) -> None:
    """Raises DataError for a rule that the rule file lacks."""
    _, rules = load_prompt(config.prompt, Path())
    if rule not in {known.id for known in rules.rules}:
        raise DataError(f"{config.prompt.rules}: has no rule {rule!r}, which the sheet is about")
    run = RunPaths.of(config)
    known = stored_labels(run)
    of_rule = {**known.rules.get(rule, {}), arm: labels}
    _write(run, known.model_copy(update={"rules": {**known.rules, rule: of_rule}}))
    good = sum(label.good for label in labels.labels)
    print(
        f"{arm}: people labelled {len(labels.labels)} answers by {rule}, {good} good; run "
        "`unprompted judge CONFIG calibrate` to compare the judge with them"
    )


def _write(run: RunPaths, labels: Labels) -> None:
    write_text(run.labels, labels.model_dump_json(indent=1) + "\n")


def _read_labels(
    path: Path, pairs: Sequence[tuple[Row, Answer]]
) -> tuple[str, str | None, ArmLabels]:
    """The arm and the rule, if the sheet is about one, with the labels.

    Raises DataError for an unknown id, and answers of two arms or by two rules.
    """
    known = {answer_id(answer): answer for _, answer in pairs}
    arm, labels, blank = "", list[Label](), 0
    lines = read_sheet(path)
    rule = lines[0].rule if lines else None
    for line in lines:
        if line.rule != rule:
            raise DataError(
                f"{path}:{line.number}: the rule is {line.rule}, above it is {rule}; import one "
                "sheet at a time"
            )
        answer = known.get(line.answer)
        if answer is None:
            raise DataError(
                f"{path}:{line.number}: unknown answer id {line.answer[:40]!r}; "
                "restore the id, or export again if the answers were generated anew"
            )
        arm = arm or answer.arm
        if answer.arm != arm:
            raise DataError(
                f"{path}:{line.number}: an answer of {answer.arm} among those of {arm}; import one "
                "sheet at a time"
            )
        if line.good is None:
            blank += 1
        else:
            labels.append(
                Label(
                    answer=line.answer,
                    row=answer.row,
                    sample=answer.sample,
                    good=line.good,
                    comment=line.comment,
                )
            )
    if len(labels) < 2:
        raise DataError(f"{path}: fewer than two verdicts; write good or bad in column verdict")
    return arm, rule, ArmLabels(labels=tuple(labels), blank=blank)


def _difference_line(difference: LabelDifference) -> str:
    """The difference of two arms by people's labels, or why it is not stated."""
    arms = f"{difference.student} − {difference.against} by people's labels"
    if difference.value is None:
        return f"{arms}: not stated, {difference.refused}"
    points = format_difference(difference.value, difference.low, difference.high)
    return (
        f"{arms} (PPI++): {points} on {difference.rows} rows, {difference.labelled} and "
        f"{difference.labelled_against} of them labelled, {difference.labelled_both} in both arms"
    )


def _estimate_line(arm: str, estimate: LabelEstimate) -> str:
    judge = "undecided" if estimate.judge is None else f"{estimate.judge.value:.1%}"
    powered = estimate.powered
    return (
        f"{arm}: {estimate.labelled} of {estimate.answers} labelled ({estimate.blank} left blank): "
        f"people {estimate.people.value:.1%}, judge {judge} ({estimate.judge_missing} missing), "
        f"PPI++ {powered.value:.1%} [{powered.low:.1%}, {powered.high:.1%}]"
    )
