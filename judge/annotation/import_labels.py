"""`python -m judge CONFIG import-labels`: what people said, and what the judge's scores add to it.

The labels are taken for a simple random sample of the arm's answers: what `export-for-labelling`
drew. Lines left blank on purpose spoil that, so they are counted and shown. A label is bound to the
text of its answer: what people said of another text counts for nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from config.errors import DataError
from config.schema import Config
from data.answers import Answer
from data.atomic_write import write_text
from data.jsonl import read_record, read_records
from data.records import Record
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.sheet import SheetLine, answer_id, read_sheet
from judge.metrics.estimators import powered_rate
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import rate
from judge.metrics.verdict_table import VerdictTable, build_verdict_table
from judge.run import asked_pairs
from judge.verdict import Verdict
from prompts.prompt_file import load_prompt


class Label(Record):
    """What a person said of one answer."""

    answer: str  # its id, which changes with its text: see judge.annotation.sheet
    row: str
    sample: int
    good: bool
    comment: str | None


class ArmLabels(Record):
    """What people said of one arm's answers."""

    labels: tuple[Label, ...]
    blank: int  # on the sheet without a verdict


class Estimate(Record):
    """An arm's rate of good answers by three ways of asking."""

    answers: int  # of the arm: labelled or not
    labelled: int
    blank: int
    people: Interval  # of the labelled answers, the good ones
    judge: Interval | None  # strict score of all answers that it decides
    judge_missing: int  # answers whose strict score is missing
    powered: Interval  # PPI++: people's labels with the judge's scores of all answers
    weight: float  # PPI++'s λ: 0 takes nothing from the judge, 1 all of it


class Labels(Record):
    """judge/labels.json."""

    arms: dict[str, ArmLabels]


def import_labels_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the arm's labels into judge/labels.json, beside those of other arms.

    Raises DataError naming the line for what is wrong on the sheet, and when the answers have not
    been scored.
    """
    folder = RunPaths.of(config)
    pairs = asked_pairs(config)
    arm, said = _matched(arguments.sheet, pairs)
    found = estimate(arm, said, [a for _, a in pairs if a.arm == arm], _board(config, folder))
    if isinstance(found, Refusal):
        raise DataError(f"{arm}: {found.reason}")
    arms = read_record(folder.labels, Labels).arms if folder.labels.exists() else {}
    labels = Labels(arms={**arms, arm: said})
    write_text(folder.labels, labels.model_dump_json(indent=1) + "\n")
    print(_line(arm, found))
    return 0


def _matched(path: Path, pairs: Sequence[tuple[Row, Answer]]) -> tuple[str, ArmLabels]:
    """The arm with its labels. Raises DataError for an unknown id, or answers of two arms."""
    known = {answer_id(answer): answer for _, answer in pairs}
    arm, labels, blank = "", list[Label](), 0
    for line in read_sheet(path):
        answer = known.get(line.answer)
        if answer is None:
            raise DataError(
                f"{path}:{line.number}: id {line.answer[:40]!r} is of no answer in this run; "
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
            labels.append(_label(answer, line, line.good))
    if len(labels) < 2:
        raise DataError(f"{path}: fewer than two verdicts; write good or bad in column verdict")
    return arm, ArmLabels(labels=tuple(labels), blank=blank)


def _label(answer: Answer, line: SheetLine, good: bool) -> Label:
    return Label(
        answer=line.answer,
        row=answer.row,
        sample=answer.sample,
        good=good,
        comment=line.comment,
    )


def _board(config: Config, run: RunPaths) -> VerdictTable:
    if not run.verdicts.exists():
        raise DataError(f"{run.verdicts}: not there; run `python -m judge CONFIG score` first")
    _, rules = load_prompt(config.prompt, Path())
    return build_verdict_table(rules, run.rows("val"), read_records(run.verdicts, Verdict))


def estimate(
    arm: str, said: ArmLabels, answers: Sequence[Answer], board: VerdictTable
) -> Estimate | Refusal:
    """The labels with the judge's strict scores of all the arm's `answers`.

    Refused when a labelled answer has another text by now (what is left of the labels is no random
    sample), when an answer was never scored, and when one question alone is labelled.
    """
    there = {answer_id(answer) for answer in answers}
    stale = sum(label.answer not in there for label in said.labels)
    if stale:
        return Refusal(
            f"{stale} of {len(said.labels)} labels are of answers that have been made anew since, "
            "and the rest are no random sample; export and label again"
        )
    units = [(answer.row, answer.sample) for answer in answers]
    scores = board.strict.get(arm, {})
    unscored = [row for row, number in units if (row, number) not in scores]
    if unscored:
        return Refusal(
            f"the answer to row {unscored[0]} has no verdicts; run `python -m judge CONFIG score` "
            "again"
        )
    good = {(label.row, label.sample): label.good for label in said.labels}
    decided = {unit: passed for unit in units if (passed := scores[unit]) is not None}
    people = rate(list(good.values()), board.clusters(good))
    judge = rate(list(decided.values()), board.clusters(decided))
    powered = powered_rate(
        [good.get(unit) for unit in units],
        [decided.get(unit) for unit in units],
        board.clusters(units),
    )
    if people is None or powered is None:
        return Refusal("one question alone is labelled; label answers to others too")
    return Estimate(
        answers=len(units),
        labelled=len(good),
        blank=said.blank,
        people=people,
        judge=judge,
        judge_missing=len(units) - len(decided),
        powered=powered.rate,
        weight=powered.weight,
    )


def _line(arm: str, made: Estimate) -> str:
    judge = "undecided" if made.judge is None else f"{made.judge.value:.1%}"
    return (
        f"{arm}: {made.labelled} of {made.answers} labelled ({made.blank} left blank): people "
        f"{made.people.value:.1%}, judge {judge} ({made.judge_missing} missing), PPI++ "
        f"{made.powered.value:.1%} [{made.powered.low:.1%}, {made.powered.high:.1%}]"
    )
