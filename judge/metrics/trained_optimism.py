"""By how much the best of several trained students looks too good, each its own best checkpoint.

Knows which rows chose what: all of them the student, those of the evaluations during training its
checkpoint. The bootstrap itself is `judge.metrics.optimism`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.rows import Row
from judge.checks.cases import due_by_code
from judge.metrics.optimism import CheckpointChoice, Criterion, ScoreSums, choice_optimism
from judge.metrics.stats import cluster_sums
from judge.metrics.verdict_table import AnswerKey
from prompts.rules import RuleFile

StrictCase = str | None  # a conditional must-rule that is due; None: none is

Decided = Mapping[AnswerKey, bool]  # answer → whether it passes

# Row id → whether the answer of an evaluation during training passes, by the rules in code; None:
# the evaluation of the checkpoint that was chosen.
PassedRows = Mapping[str, bool] | None


def strict_cases(rules: RuleFile, row: Row) -> frozenset[StrictCase]:
    """The cases of a row, over which strict adherence by case is the mean.

    Each conditional must-rule is one, and the rows on which none is due. Empty for a rule file
    without conditional must-rules, where students are chosen by strict adherence over all rows.
    """
    conditional = {rule.id for rule in rules.conditional_rules if rule.severity == "must"}
    due = conditional.intersection(due_by_code(rules, row))
    return frozenset(due or (None,)) if conditional else frozenset()


class ChoiceRows(NamedTuple):
    """The answers that a choice compares, and what is known of their rows."""

    keys: Sequence[AnswerKey]
    clusters: Sequence[str]  # question of each answer
    cases: Mapping[str, Collection[StrictCase]]  # by row; empty: students are chosen over all rows

    def sums(self, candidates: Sequence[Decided], counted: Sequence[bool]) -> ScoreSums:
        """Passes and decided answers by candidate and question, of the answers that are counted."""
        passes = np.array(
            [[decided.get(key, False) for key in self.keys] for decided in candidates]
        )
        rows = np.array([[key in decided for key in self.keys] for decided in candidates])
        mask = np.array(counted)
        return ScoreSums(
            *(cluster_sums((of & mask).astype(float), self.clusters)[0] for of in (passes, rows))
        )

    def criterion(self, candidates: Sequence[Decided], counted: Sequence[bool]) -> Criterion:
        """What chooses one of the candidates by the answers that are counted."""
        overall = self.sums(candidates, counted)
        answers = list(zip(self.keys, counted, strict=True))
        by_case = [
            self.sums(
                candidates, [counts and case in self.cases[row] for (row, _), counts in answers]
            )
            for case in sorted(set().union(*self.cases.values()), key=str)
        ]
        stacked = map(np.stack, zip(*(by_case or [overall]), strict=True))
        return Criterion(ScoreSums(*stacked), overall)


class TrainedStudent(NamedTuple):
    """A student that was tried: its answers, and what its checkpoint was chosen from."""

    chosen_by: Decided  # by the score that chooses students
    scored: Decided  # by the score to correct
    evaluations: Sequence[PassedRows] = (None,)  # in the order that decides between equals

    def by_checkpoint(self, decided: Decided) -> list[Decided]:
        """The answers of every checkpoint, as far as they are known.

        On rows that no evaluation answered, those of the chosen checkpoint stand for the others.
        """
        return [
            {key: (evaluation or {}).get(key[0], passed) for key, passed in decided.items()}
            for evaluation in self.evaluations
        ]

    @property
    def evaluated(self) -> set[str]:
        """The ids of the rows that chose the checkpoint."""
        return {row for evaluation in self.evaluations for row in evaluation or ()}


def trained_optimism(
    students: Sequence[TrainedStudent],
    best: int,
    rows: ChoiceRows,
    counted: Sequence[bool],
    seed: int,
) -> float:
    """The share by which the best one's rate on the counted answers is too high.

    It was chosen from `students`, and its checkpoint from the evaluations of its training.
    """
    ends = np.cumsum([len(student.evaluations) for student in students]).tolist()
    starts = [0, *ends[:-1]]
    chosen_by = [of for student in students for of in student.by_checkpoint(student.chosen_by)]
    scored = [of for student in students for of in student.by_checkpoint(student.scored)]
    evaluated = set().union(*(student.evaluated for student in students))
    training = CheckpointChoice(
        rows.criterion(chosen_by, [row in evaluated for row, _ in rows.keys]),
        [range(start, end) for start, end in zip(starts, ends, strict=True)],
    )
    return choice_optimism(
        rows.criterion(chosen_by, [True] * len(rows.keys)),
        rows.sums(scored, counted),
        starts[best] + list(students[best].evaluations).index(None),
        seed,
        training,
    )
