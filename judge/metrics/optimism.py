"""By how much the best of several students looks better than it is on the rows that chose it.

Bootstrap bias correction (Tsamardinos, Greasidou & Borboudakis 2018, Machine Learning 107): the
questions are resampled, a student is chosen on the resample by the rule that chose the best one,
and the questions left out score it. Needs only the scores of every student on every row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from data.rows import Row
from judge.checks.cases import due_by_code
from judge.choice_correction import ChoiceCorrection
from judge.metrics.stats import Floats, cluster_sums
from judge.metrics.verdict_table import BY_CODE, AnswerKey, VerdictTable
from prompts.rules import RuleFile

RESAMPLES = 2_000
_CHUNK = 200  # resamples drawn at once, which bounds the memory at a few MB per 1,000 questions

StrictCase = str | None  # a conditional must-rule that is due; None: none is


def strict_cases(rules: RuleFile, row: Row) -> frozenset[StrictCase]:
    """The cases of a row, over which strict adherence by case is the mean.

    Each conditional must-rule is one, and the rows on which none is due. Empty for a rule file
    without conditional must-rules, where students are chosen by strict adherence over all rows.
    """
    conditional = {rule.id for rule in rules.conditional_rules if rule.severity == "must"}
    due = conditional.intersection(due_by_code(rules, row))
    return frozenset(due or (None,)) if conditional else frozenset()


class ScoreSums(NamedTuple):
    """Passes and decided rows of every student, summed by question."""

    passes: Floats  # [..., G]
    rows: Floats  # [..., G]

    def rates(self, weights: Floats) -> Floats:
        """Pass rates of resamples: weights [R, G] → [R, ...], NaN where no row is decided."""
        passes, rows = (np.tensordot(weights, sums, (1, -1)) for sums in self)
        with np.errstate(invalid="ignore"):
            rates: Floats = passes / rows
        return rates


def choice_optimism(
    criterion: ScoreSums, strict: ScoreSums, scored: ScoreSums, best: int, seed: int
) -> float:
    """The share by which the chosen student's rate is too high, 0 … 1.

    `criterion` [C, K, G] is by case: the student with the highest mean over the cases is chosen,
    of equals the one with the highest `strict` [K, G], then the first. `scored` [K, G] is the
    score to correct, and `best` the index of the student that was chosen on all questions.

    It is the mean over the resamples of (best student − student chosen on the resample) on the
    questions left out. Without the first term, whose expectation is the best one's rate on all
    questions, the resamples would add noise where they always choose the same student.
    """
    random = np.random.default_rng(seed)
    groups = scored.rows.shape[-1]
    losses = []
    for _ in range(0, RESAMPLES, _CHUNK):
        drawn = random.multinomial(groups, np.full(groups, 1 / groups), size=_CHUNK)
        weights = drawn.astype(np.float64)
        chosen = _choose(criterion.rates(weights), strict.rates(weights))
        left_out = scored.rates((drawn == 0).astype(np.float64))  # [R, K]
        losses.append(left_out[:, best] - left_out[np.arange(_CHUNK), chosen])
    loss = np.concatenate(losses)
    known = loss[~np.isnan(loss)]
    return max(0.0, float(known.mean())) if len(known) else 0.0


def _choose(by_case: Floats, strict: Floats) -> Floats:
    """The index of the best student of each resample: [R, C, K], [R, K] → [R]."""
    cases = ~np.isnan(by_case)
    counts = cases.sum(axis=1)
    means = np.where(counts > 0, np.nansum(by_case, axis=1) / np.maximum(counts, 1), -1.0)
    highest = means >= means.max(axis=1, keepdims=True) - 1e-12
    ranked = np.where(highest, np.nan_to_num(strict, nan=-1.0), -2.0)
    chosen: Floats = ranked.argmax(axis=1)  # the first of equals
    return chosen


class ChosenStudent(NamedTuple):
    """The student that was chosen on val, and what it was chosen from."""

    arm: str
    tried: tuple[str, ...]  # arms of the students, in the order that decides between equals
    trials: int = 0  # of a search that it won
    unseen: frozenset[str] | None = None  # val rows that no trial saw, if these alone score it


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
    without cases over all rows. The optimism is that of `score`, or of the criterion where `score`
    is not decided for every student.
    """
    students = [arm for arm in chosen.tried if arm in table.verdicts]
    optimism = 0.0
    if len(students) > 1 and chosen.arm in students:
        if not all(table.decided(arm, score) for arm in students):
            score = criterion
        keys = list(dict.fromkeys(key for arm in students for key in table.verdicts[arm]))
        strict = _score_sums(table, students, criterion, keys, [True] * len(keys))
        names = sorted({case for of_row in (cases or {}).values() for case in of_row}, key=str)
        by_case = [
            _score_sums(table, students, criterion, keys, [case in cases[row] for row, _ in keys])
            for case in names
            if cases is not None
        ]
        stacked = ScoreSums(*map(np.stack, zip(*(by_case or [strict]), strict=True)))
        counted = [chosen.unseen is None or row in chosen.unseen for row, _ in keys]
        scored = _score_sums(table, students, score, keys, counted)
        best = students.index(chosen.arm)
        optimism = choice_optimism(stacked, strict, scored, best, seed)
    correction = ChoiceCorrection(
        student=chosen.arm,
        tried=max(1, len(students)),
        optimism=optimism,
        trials=chosen.trials,
        unseen=None if chosen.unseen is None else tuple(sorted(chosen.unseen)),
    )
    return replace(table, choice=correction)


def _score_sums(
    table: VerdictTable,
    students: Sequence[str],
    score: str,
    keys: Sequence[AnswerKey],
    counted: Sequence[bool],
) -> ScoreSums:
    """Passes and decided answers by student and question, of the answers that are counted."""
    decided = [table.decided(arm, score) for arm in students]
    passes = np.array([[of_arm.get(key, False) for key in keys] for of_arm in decided])
    rows = np.array([[key in of_arm for key in keys] for of_arm in decided])
    clusters, mask = table.clusters(keys), np.array(counted)
    sums = (cluster_sums((of_rows & mask).astype(float), clusters)[0] for of_rows in (passes, rows))
    return ScoreSums(*sums)
