"""`python -m judge CONFIG import-labels`: what people said, and what the judge's scores add to it.

The labels are taken for a simple random sample of the arm's answers: what `export-for-labelling`
drew. Lines left blank on purpose spoil that, so they are counted and shown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.schema import Config
from data.answers import Answer
from data.records import Record
from data.rows import Row
from data.run import Run
from data.store import read_record, read_records, write_text
from judge.agreement import Share
from judge.board import Board, Unit, make_board
from judge.calibration.labelling import Mark, answer_id, read_sheet
from judge.calibration.ppi import powered_rate
from judge.judging import asked_pairs
from judge.stats import rate
from judge.verdicts import Verdict
from prompts.library import load_prompt

ABOUT = (
    "read a labelled sheet, and estimate the arm's rate of good answers from both, people and judge"
)


class Label(Record):
    """What a person said of one answer."""

    row: str
    sample: int
    good: bool
    comment: str | None


class ArmLabels(Record):
    """One arm's labels, and its rate of good answers by three ways of asking."""

    answers: int  # of the arm: labelled or not
    labelled: int
    blank: int  # on the sheet without a verdict
    people: Share  # of the labelled answers, the good ones
    judge: Share | None  # strict score of all answers that it decides
    judge_missing: int  # answers whose strict score is missing
    powered: Share  # PPI++: people's labels with the judge's scores of all answers
    weight: float  # PPI++'s λ: 0 takes nothing from the judge, 1 all of it
    labels: tuple[Label, ...]


class Labels(Record):
    """judge/labels.json."""

    arms: dict[str, ArmLabels]


class _Labelled(NamedTuple):
    arm: str
    marks: dict[Unit, Mark]


def add_arguments(made: argparse.ArgumentParser) -> None:
    """The sheet."""
    made.add_argument("sheet", metavar="SHEET", type=Path, help="the CSV file as people filled it")


def run(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the arm's labels into judge/labels.json, beside those of other arms.

    Raises DataError naming the line for what is wrong on the sheet, and when the answers have not
    been scored.
    """
    folder = Run.of(config)
    pairs = asked_pairs(config)
    found = _matched(arguments.sheet, pairs)
    made = arm_labels(found, [a for _, a in pairs if a.arm == found.arm], _board(config, folder))
    arms = read_record(folder.labels, Labels).arms if folder.labels.exists() else {}
    labels = Labels(arms={**arms, found.arm: made})
    write_text(folder.labels, labels.model_dump_json(indent=1) + "\n")
    print(_line(found.arm, made))
    return 0


def _matched(path: Path, pairs: Sequence[tuple[Row, Answer]]) -> _Labelled:
    """The marks by answer. Raises DataError for an unknown id, or answers of two arms."""
    known = {answer_id(answer): answer for _, answer in pairs}
    arm, marks = "", dict[Unit, Mark]()
    for mark in read_sheet(path):
        answer = known.get(mark.answer)
        if answer is None:
            raise DataError(
                f"{path}:{mark.line}: id {mark.answer[:40]!r} is of no answer in this run; undo a "
                "change of the id, or export again if the answers were made anew"
            )
        arm = arm or answer.arm
        if answer.arm != arm:
            raise DataError(
                f"{path}:{mark.line}: an answer of {answer.arm} among those of {arm}; import one "
                "sheet at a time"
            )
        marks[answer.row, answer.sample] = mark
    if sum(mark.good is not None for mark in marks.values()) < 2:
        raise DataError(f"{path}: fewer than two verdicts; write good or bad in column verdict")
    return _Labelled(arm, marks)


def _board(config: Config, run: Run) -> Board:
    if not run.verdicts.exists():
        raise DataError(f"{run.verdicts}: not there; run `python -m judge CONFIG score` first")
    _, rules = load_prompt(config.prompt, Path())
    return make_board(rules, run.rows("val"), read_records(run.verdicts, Verdict))


def arm_labels(found: _Labelled, answers: Sequence[Answer], board: Board) -> ArmLabels:
    """The labels with the judge's strict scores of all the arm's `answers`.

    Raises DataError when one of them was never scored, or one question alone is labelled.
    """
    units = [(answer.row, answer.sample) for answer in answers]
    scores = board.strict.get(found.arm, {})
    unscored = [row for row, number in units if (row, number) not in scores]
    if unscored:
        raise DataError(
            f"row {unscored[0]}: the answer of {found.arm} has no verdicts; run `python -m judge "
            "CONFIG score` again"
        )
    good = {unit: mark.good for unit, mark in found.marks.items() if mark.good is not None}
    decided = {unit: passed for unit in units if (passed := scores[unit]) is not None}
    people = rate(list(good.values()), board.clusters(good))
    judge = rate(list(decided.values()), board.clusters(decided))
    powered = powered_rate(
        [good.get(unit) for unit in units],
        [decided.get(unit) for unit in units],
        board.clusters(units),
    )
    if people is None or powered is None:
        raise DataError(f"{found.arm}: one question alone is labelled; label answers to others too")
    return ArmLabels(
        answers=len(units),
        labelled=len(good),
        blank=len(found.marks) - len(good),
        people=Share.of(people),
        judge=Share.of(judge) if judge else None,
        judge_missing=len(units) - len(decided),
        powered=Share.of(powered.rate),
        weight=powered.weight,
        labels=tuple(
            Label(row=row, sample=sample, good=verdict, comment=found.marks[row, sample].comment)
            for (row, sample), verdict in good.items()
        ),
    )


def _line(arm: str, made: ArmLabels) -> str:
    judge = "undecided" if made.judge is None else f"{made.judge.value:.1%}"
    return (
        f"{arm}: {made.labelled} of {made.answers} labelled ({made.blank} left blank): people "
        f"{made.people.value:.1%}, judge {judge} ({made.judge_missing} missing), PPI++ "
        f"{made.powered.value:.1%} [{made.powered.low:.1%}, {made.powered.high:.1%}]"
    )
