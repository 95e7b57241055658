"""Strict adherence of the best of several trials, less what the choice of the best adds to it."""

from collections.abc import Mapping, Sequence

from data.rows import Row, question_clusters
from judge.metrics.stats import rate
from judge.metrics.trained_optimism import (
    ChoiceRows,
    PassedRows,
    TrainedStudent,
    strict_cases,
    trained_optimism,
)
from prompts.rules import RuleFile
from student.records import CorrectedRate, Step, Trial, best_first


class TrialRows:
    """The evaluations of the trials, row by row."""

    def __init__(
        self, rules: RuleFile, val: Sequence[Row], evaluations: Mapping[str, Sequence[Step]]
    ) -> None:
        """`evaluations` are those during the training of each trial, by its name."""
        self._cases = {row.id: strict_cases(rules, row) for row in val}
        self._questions = question_clusters(val)
        self._evaluations = evaluations

    def best_rate(self, ranked: Sequence[Trial], seed: int) -> CorrectedRate | None:
        """Of the first of these completed trials, which was chosen from them.

        None where some evaluation does not say which rows passed, and where no rule is decided.
        """
        tried = sorted(ranked, key=lambda trial: _or_infinity(trial.val_loss))
        students = [self._student(trial) for trial in tried]
        known = [student for student in students if student is not None]
        if not known or len(known) < len(students):
            return None
        keys = list(dict.fromkeys(key for student in known for key in student.scored))
        clusters = [self._questions[row] for row, _ in keys]
        cases = {row: self._cases[row] for row, _ in keys}
        best = tried.index(ranked[0])
        rows = ChoiceRows(keys, clusters, cases)
        optimism = trained_optimism(known, best, rows, [True] * len(keys), seed)
        return self.rate({row: ok for (row, _), ok in known[best].scored.items()}, optimism)

    def rate(self, passed: Mapping[str, bool], optimism: float = 0.0) -> CorrectedRate | None:
        """The rate on these rows; None where there is none."""
        questions = [self._questions[row] for row in passed]
        interval = rate(list(passed.values()), questions, optimism)
        if interval is None:
            return None
        low, high = interval.low, interval.high
        return CorrectedRate(
            value=interval.value, low=low, high=high, rows=len(passed), optimism=optimism
        )

    def _student(self, trial: Trial) -> TrainedStudent | None:
        steps = self._evaluations.get(trial.name, ())
        if not steps or any(step.passed is None for step in steps):
            return None
        best = best_first(steps)[0]
        decided = {(row, 0): passed for row, passed in (best.passed or {}).items()}
        by_loss = sorted(steps, key=lambda step: _or_infinity(step.val_loss))
        passed: list[PassedRows] = [None if step is best else step.passed for step in by_loss]
        return TrainedStudent(decided, decided, passed)


def _or_infinity(loss: float | None) -> float:
    return float("inf") if loss is None else loss
