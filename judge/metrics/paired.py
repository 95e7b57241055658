"""Paired comparisons of arms: differences with tests, and the share of the gap that is closed."""

from collections.abc import Iterator, Sequence

from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import gap_closed, holm, mcnemar, paired_difference
from judge.metrics.verdict_table import LABEL_FREE, STRICT, AnswerKey, VerdictTable
from judge.records import BASE, TEACHER, Comparison, GapScore


def compare_students(table: VerdictTable) -> Iterator[Comparison]:
    """Every student against teacher and base: the strict scores, then rule by rule."""
    rules = [rule.id for rule in table.rules.scored_rules()]
    for student in table.students:
        for against in (TEACHER, BASE):
            if against in table.verdicts:
                yield compare_arms(table, student, against, STRICT)
                yield compare_arms(table, student, against, LABEL_FREE)
                yield from holm_adjusted(
                    [compare_arms(table, student, against, rule) for rule in rules]
                )


def holm_adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with p-values adjusted for their number."""
    adjusted = iter(holm([comparison.p for comparison in comparisons if comparison.p is not None]))
    return [
        comparison.model_copy(update={"p_holm": None if comparison.p is None else next(adjusted)})
        for comparison in comparisons
    ]


def compare_arms(table: VerdictTable, arm: str, against: str, score: str) -> Comparison:
    """One arm against another on the answers that are decided in both."""
    first, second = table.decided(arm, score), table.decided(against, score)
    keys = [key for key in first if key in second]
    better = sum(first[key] and not second[key] for key in keys)
    worse = sum(second[key] and not first[key] for key in keys)
    interval = paired_difference(
        [first[key] for key in keys], [second[key] for key in keys], table.clusters(keys)
    )
    return Comparison(
        student=arm,
        against=against,
        what=score,
        n=len(keys),
        difference=(better - worse) / len(keys) if keys else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        better=better,
        worse=worse,
        p=mcnemar(better, worse) if keys else None,
        p_holm=None,
    )


def gap_scores(table: VerdictTable, seed: int) -> Iterator[GapScore]:
    """The share of the gap from base to teacher that each student closes, on strict scores."""
    for student in table.students:
        arms = (student, TEACHER, BASE)
        keys: list[AnswerKey] = []
        gap: Interval | Refusal = Refusal("needs the arms teacher and base")
        if all(arm in table.verdicts for arm in arms):
            decided = [table.decided(arm, STRICT) for arm in arms]
            keys = [key for key in decided[0] if key in decided[1] and key in decided[2]]
            first, second, third = ([float(passed[key]) for key in keys] for passed in decided)
            gap = gap_closed(first, second, third, table.clusters(keys), seed)
        yield GapScore.of(gap, student=student, n=len(keys))
