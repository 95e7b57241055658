"""Paired comparisons of arms: differences with tests, and the share of the gap that is closed."""

from collections.abc import Iterator, Sequence

from judge.metrics.gap_closed import gap_closed
from judge.metrics.interval import Interval, Refusal
from judge.metrics.stats import holm, paired_difference, paired_p, sign_flip_test
from judge.metrics.verdict_table import AnswerKey, VerdictTable
from judge.records import BASE, TEACHER, Comparison, GapScore


def compare_students(table: VerdictTable) -> Iterator[Comparison]:
    """Every student against teacher and base: the strict scores, then rule by rule.

    The p-values of rules are adjusted for the number of rules. That of a strict score is its
    interval's, which the choice of the student has corrected already.
    """
    rules = [rule.id for rule in table.rules.scored_rules()]
    for against in (TEACHER, BASE):
        if against in table.verdicts:
            for student in table.students:
                for score in table.scores:
                    yield compare_arms(table, student, against, score)
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
    passed, passed_against = ([decided[key] for key in keys] for decided in (first, second))
    better = sum(first[key] and not second[key] for key in keys)
    worse = sum(second[key] and not first[key] for key in keys)
    clusters = table.clusters(keys)
    optimism = table.optimism(arm, score) - table.optimism(against, score)
    pairs = (passed, passed_against, clusters)
    interval = paired_difference(*pairs, optimism)
    return Comparison(
        student=arm,
        against=against,
        what=score,
        n=len(keys),
        difference=(better - worse) / len(keys) - optimism if keys else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        better=better,
        worse=worse,
        p=_p_value(pairs, optimism, score in table.scores) if keys else None,
        p_holm=None,
    )


def _p_value(
    pairs: tuple[Sequence[bool], Sequence[bool], Sequence[str]], optimism: float, strict: bool
) -> float | None:
    """Of a strict score the interval's, so that both say the same; of a rule an exact test's."""
    return paired_p(*pairs, optimism) if strict else sign_flip_test(*pairs)


def gap_scores(table: VerdictTable, score: str, seed: int) -> Iterator[GapScore]:
    """The share of the gap from base to teacher that each student closes, by a strict score."""
    for student in table.students:
        arms = (student, TEACHER, BASE)
        keys: list[AnswerKey] = []
        gap: Interval | Refusal = Refusal("needs the arms teacher and base")
        if all(arm in table.verdicts for arm in arms):
            decided = [table.decided(arm, score) for arm in arms]
            keys = [key for key in decided[0] if key in decided[1] and key in decided[2]]
            first, second, third = ([float(passed[key]) for key in keys] for passed in decided)
            optimism = table.optimism(student, score)
            gap = gap_closed(first, second, third, table.clusters(keys), seed, optimism)
        yield GapScore.of(gap, student=student, n=len(keys))
