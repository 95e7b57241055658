"""The verdict table of a run, with the correction for the choice of the best student."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from judge.choice_correction import ChoiceCorrection
from judge.metrics.trained_optimism import (
    ChoiceRows,
    PassedRows,
    StrictCase,
    TrainedStudent,
    trained_optimism,
)
from judge.metrics.verdict_table import BY_CODE, VerdictTable

_ONE: tuple[PassedRows, ...] = (None,)  # of an arm whose evaluations are not on record


class ChosenStudent(NamedTuple):
    """The student that was chosen on val, and what it was chosen from."""

    arm: str
    tried: tuple[str, ...]  # arms of the students, in the order that decides between equals
    trials: int = 0  # of a search that it won
    unseen: frozenset[str] | None = None  # val rows that no trial saw, if these alone score it
    evaluations: Mapping[str, Sequence[PassedRows]] = {}  # arm → those during its training


def correct_choice(
    table: VerdictTable,
    chosen: ChosenStudent,
    score: str,
    seed: int,
    cases: Mapping[str, frozenset[StrictCase]] | None = None,
    criterion: str = BY_CODE,
) -> VerdictTable:
    """The table with the correction of a chosen student's strict scores.

    `criterion` is the strict score that chose it, by the `cases` of each row, see `strict_cases`;
    without cases over all rows. The optimism is that of `score`. It is that of the criterion where
    `score` is not decided for every student, and where checkpoints were chosen: only the criterion
    is on record for those that were not.
    """
    arms = [arm for arm in chosen.tried if arm in table.verdicts]
    evaluations = {arm: chosen.evaluations.get(arm, _ONE) for arm in arms}
    optimism = 0.0
    if chosen.arm in arms and (len(arms) > 1 or len(evaluations[chosen.arm]) > 1):
        stated = all(table.decided(arm, score) for arm in arms)
        if not stated or any(len(of_arm) > 1 for of_arm in evaluations.values()):
            score = criterion
        students = [
            TrainedStudent(table.decided(arm, criterion), table.decided(arm, score), of_arm)
            for arm, of_arm in evaluations.items()
        ]
        keys = list(dict.fromkeys(key for arm in arms for key in table.verdicts[arm]))
        counted = [chosen.unseen is None or row in chosen.unseen for row, _ in keys]
        rows = ChoiceRows(keys, table.clusters(keys), cases or {})
        optimism = trained_optimism(students, arms.index(chosen.arm), rows, counted, seed)
    correction = ChoiceCorrection(
        student=chosen.arm,
        tried=max(1, len(arms)),
        evaluations=len(evaluations.get(chosen.arm, _ONE)),
        optimism=optimism,
        trials=chosen.trials,
        unseen=None if chosen.unseen is None else tuple(sorted(chosen.unseen)),
    )
    return replace(table, choice=correction)
