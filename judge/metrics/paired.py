"""Students against teacher and base: paired differences, and how much of the gap is closed."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from judge.metrics.interval import Interval
from judge.metrics.stats import gap_closed, holm, mcnemar, paired
from judge.metrics.verdict_table import DECIDABLE, STRICT, VerdictTable
from judge.records import Comparison, GapScore

BASE, TEACHER = "base", "teacher"


def students(board: VerdictTable) -> list[str]:
    """The arms that are students."""
    return [arm for arm in board.verdicts if arm.startswith("student/")]


def comparisons(board: VerdictTable) -> Iterator[Comparison]:
    """Every student against teacher and base, strict first, then rule by rule."""
    for student in students(board):
        for against in (TEACHER, BASE):
            if against in board.verdicts:
                yield compared(board, student, against, STRICT)
                yield compared(board, student, against, DECIDABLE)
                rules = [due.id for due in board.rules.scored_rules()]
                yield from with_holm([compared(board, student, against, rule) for rule in rules])


def with_holm(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with their p-values adjusted for being so many."""
    adjusted = iter(holm([one.p for one in found if one.p is not None]))
    return [
        one if one.p is None else one.model_copy(update={"p_holm": next(adjusted)}) for one in found
    ]


def compared(board: VerdictTable, student: str, against: str, what: str) -> Comparison:
    """One arm against another on the answers that are decided in both."""
    ours, theirs = board.decided(student, what), board.decided(against, what)
    units = [unit for unit in ours if unit in theirs]
    better = sum(ours[unit] and not theirs[unit] for unit in units)
    worse = sum(theirs[unit] and not ours[unit] for unit in units)
    interval = paired(
        [float(ours[unit]) for unit in units],
        [float(theirs[unit]) for unit in units],
        board.clusters(units),
    )
    return Comparison(
        student=student,
        against=against,
        what=what,
        n=len(units),
        difference=(better - worse) / len(units) if units else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        better=better,
        worse=worse,
        p=mcnemar(better, worse) if units else None,
        p_holm=None,
    )


def gaps(board: VerdictTable, seed: int) -> Iterator[GapScore]:
    """The share of the gap that each student closes, on strict scores."""
    for student in students(board):
        arms = [arm for arm in (student, TEACHER, BASE) if arm in board.verdicts]
        if len(arms) < 3:
            yield _refused(student, 0, "needs the arms teacher and base")
            continue
        scores = [board.decided(arm, STRICT) for arm in arms]
        units = [unit for unit in scores[0] if unit in scores[1] and unit in scores[2]]
        ours, theirs, base = ([float(score[unit]) for unit in units] for score in scores)
        found = gap_closed(ours, theirs, base, board.clusters(units), seed)
        if isinstance(found, Interval):
            yield GapScore(student=student, n=len(units), **asdict(found), refused=None)
        else:
            yield _refused(student, len(units), found.reason)


def _refused(student: str, n: int, reason: str) -> GapScore:
    return GapScore(student=student, n=n, value=None, low=None, high=None, refused=reason)
