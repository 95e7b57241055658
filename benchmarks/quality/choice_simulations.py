"""Simulations of the best of several: students, checkpoints of a training, trials of a search.

Students pass half of the rows and correlate by 0.35: each row is easy or hard for all of them.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks.quality.tally import Bools, SimulatedFigure, Tally
from judge.metrics.estimators import (
    LabelledSample,
    NonInferiority,
    non_inferiority,
    powered_rate,
)
from judge.metrics.gap_closed import gap_closed
from judge.metrics.interval import Interval
from judge.metrics.stats import paired_difference, rate
from judge.metrics.trained_optimism import ChoiceRows, PassedRows, TrainedStudent, trained_optimism

ROWS = 76
EVALUATED, EVALUATIONS = 40, 7  # val rows of an evaluation during training, and how many there are
MARGIN = 0.1  # δ of the non-inferiority gate

_KEYS = [(f"r{n}", 0) for n in range(ROWS)]
_QUESTIONS = ChoiceRows(_KEYS, [row for row, _ in _KEYS], {})
_EVERY = [True] * ROWS


def _optimism(students: Bools, best: int) -> float:
    """Of the best of these students [K, ROWS]."""
    answers = [dict(zip(_KEYS, passes, strict=True)) for passes in students.tolist()]
    tried = [TrainedStudent(decided, decided) for decided in answers]
    return trained_optimism(tried, best, _QUESTIONS, _EVERY, 0)


def best_student(count: int, draws: int = 600) -> Iterator[SimulatedFigure]:
    """Equal students and a teacher that is as good; for the gate they are worse by its margin."""
    tally, random = Tally(f"the best of {count} equal students"), np.random.default_rng(count)
    for _ in range(draws):
        chance = random.beta(0.93, 0.93, ROWS)
        students = random.random((count, ROWS)) < chance
        teacher, base = random.random(ROWS) < chance, random.random(ROWS) < 0.05
        best = int(students.sum(axis=1).argmax())
        offs = (0.0, _optimism(students, best))
        _best_rates(tally, students[best], teacher, base, offs)
        worse = students & (random.random(students.shape) >= 2 * MARGIN)
        best = int(worse.sum(axis=1).argmax())
        student, teachers = _floats(worse[best], teacher)
        tests = [
            non_inferiority(student, teachers, range(ROWS), MARGIN, 1.0, off)
            for off in (0.0, _optimism(worse, best))
        ]
        passes = (isinstance(test, NonInferiority) and test.holds for test in tests)
        tally.add("passes the gate though worse by its margin, %", "≤ 5", *passes)
    yield from tally.figures()


def _best_rates(
    tally: Tally, best: Bools, teacher: Bools, base: Bools, offs: tuple[float, float]
) -> None:
    rates = [rate(best.tolist(), range(ROWS), off) for off in offs]
    tally.add("bias of strict, points", "0", *(of.value - 0.5 for of in rates if of))
    tally.covers(0.5, *rates)
    ours, teachers, bases = _floats(best, teacher, base)
    gains = [paired_difference(ours, teachers, range(ROWS), off) for off in offs]
    better = (gain is not None and gain.low > 0 for gain in gains)
    tally.add("called better than its equal teacher, %", "≤ 2.5", *better)
    gaps = [gap_closed(ours, teachers, bases, range(ROWS), 0, off) for off in offs]
    if all(isinstance(gap, Interval) for gap in gaps):
        tally.add("gap closed, %", "100", *(gap.value for gap in gaps if isinstance(gap, Interval)))


def _floats(*arms: Bools) -> list[list[float]]:
    return [arm.astype(float).tolist() for arm in arms]


def labelled_best(
    count: int = 9, labelled: int = 30, draws: int = 400
) -> Iterator[SimulatedFigure]:
    """Equal students; people label answers of the best, and agree with 85 % of its verdicts."""
    tally = Tally(f"the best of {count} equal students by {labelled} labels of people")
    random = np.random.default_rng(count)
    for _ in range(draws):
        chance = random.beta(0.93, 0.93, ROWS)
        students = random.random((count, ROWS)) < chance
        best = int(students.sum(axis=1).argmax())
        good = np.where(random.random(ROWS) < 0.85, students[best], ~students[best]).tolist()
        picked = set(random.permutation(ROWS)[:labelled].tolist())
        labels = [label if row in picked else None for row, label in enumerate(good)]
        (judged,) = _floats(students[best])
        rates = [
            powered_rate(LabelledSample(labels, judged, off), range(ROWS))
            for off in (0.0, _optimism(students, best))
        ]
        intervals = [of.rate for of in rates if of]
        tally.add("bias by people, points", "0", *(of.value - 0.5 for of in intervals))
        tally.covers(0.5, *intervals)
    yield from tally.figures()


def best_checkpoint(count: int, draws: int = 200) -> Iterator[SimulatedFigure]:
    """Equal checkpoints of equal students; those of one student agree on more rows (0.6)."""
    name = f"{count} student{'s'[: count - 1]}, each the best of {EVALUATIONS} evaluations on "
    tally, random = Tally(f"{name}{EVALUATED} of {ROWS} rows"), np.random.default_rng(count)
    for _ in range(draws):
        chance = random.beta(0.93, 0.93, ROWS)
        own = random.random((count, EVALUATIONS, ROWS)) < chance
        shared = random.random((count, 1, ROWS)) < chance
        checkpoints = np.where(random.random(own.shape) < 0.38**0.5, shared, own)
        trained, passes = zip(*map(_trained, checkpoints), strict=True)
        best = int(np.argmax([of.mean() for of in passes]))
        off = trained_optimism(trained, best, _QUESTIONS, _EVERY, 0)
        rates = [rate(passes[best].tolist(), range(ROWS), share) for share in (0.0, off)]
        tally.add("bias of strict, points", "0", *(of.value - 0.5 for of in rates if of))
        tally.covers(0.5, *rates)
    yield from tally.figures()


def _trained(checkpoints: Bools) -> tuple[TrainedStudent, Bools]:
    """A student that is the best of these checkpoints [EVALUATIONS, ROWS], and its passes."""
    best = int(checkpoints[:, :EVALUATED].sum(axis=1).argmax())
    evaluated = [row for row, _ in _KEYS[:EVALUATED]]
    others: list[PassedRows] = [
        dict(zip(evaluated, passes, strict=True)) for passes in checkpoints[:, :EVALUATED].tolist()
    ]
    others[best] = None
    decided = dict(zip(_KEYS, checkpoints[best].tolist(), strict=True))
    return TrainedStudent(decided, decided, others), checkpoints[best]


def search_winner(trials: int = 24, draws: int = 1000) -> Iterator[SimulatedFigure]:
    """Chosen on half of the rows, and scored there or on the half that no trial looked at."""
    tally, random = Tally(f"the winner of {trials} equal trials"), np.random.default_rng(1)
    half = ROWS // 2
    for _ in range(draws):
        passes = random.random((trials, ROWS)) < random.beta(0.93, 0.93, ROWS)
        winner = passes[int(passes[:, :half].sum(axis=1).argmax())]
        rates = [rate(of.tolist(), range(half)) for of in (winner[:half], winner[half:])]
        tally.add("bias of strict, points", "0", *(of.value - 0.5 for of in rates if of))
        tally.covers(0.5, *rates)
    yield from tally.figures()
