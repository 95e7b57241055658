"""Simulations of rates, differences and people's labels."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import ttest_1samp

from benchmarks.quality.tally import Bools, SimulatedFigure, Tally
from judge.calibration.bias_causes import regress_errors
from judge.metrics.agreement import effective_confusion
from judge.metrics.estimators import (
    LabelledSample,
    corrected_rate,
    powered_rate,
)
from judge.metrics.interval import Interval
from judge.metrics.regression import clustered_regression
from judge.metrics.stats import (
    Floats,
    clustered_interval,
    paired_difference,
    rate,
    sign_flip_test,
    wilson,
)

ROWS = 76  # val rows of the demo
TOGETHER = 0.6  # correlation of the answers to one question
SIZES = [1] * 143 + [2] * 14 + [3]  # 174 answers to 158 questions
TIGHT = [4] * 43 + [2]  # 174 answers to 44 questions

# -- repeated questions and few rows -------------------------------------------------------------


class _Answers(NamedTuple):
    good: Bools  # [draws, n]
    clusters: list[int]


def _draw_answers(share: float, sizes: Sequence[int], draws: int, seed: int) -> _Answers:
    """Each answer is its question's with chance √0.6, its own otherwise: correlation 0.6."""
    random, index = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    own = random.random((draws, len(index))) < share
    shared = (random.random((draws, len(sizes))) < share)[:, index]
    good = np.where(random.random(own.shape) < TOGETHER**0.5, shared, own)
    return _Answers(good, index.tolist())


def repeated_questions(draws: int = 1000) -> Iterator[SimulatedFigure]:
    """Rates by Student's t and by Wilson at the effective size; tests by row and by question."""
    for sizes in ([1] * 59 + [2], SIZES, TIGHT):
        answers = _draw_answers(0.95, sizes, draws, 0)
        tally = Tally(f"a rate of 95 %, {sum(sizes)} answers to {len(sizes)} questions")
        for passed in answers.good.tolist():
            naive = clustered_interval(passed, answers.clusters)
            tally.covers(0.95, naive, rate(passed, answers.clusters))
        yield from tally.figures()
    arms = [_draw_answers(0.7, TIGHT, draws, seed) for seed in (1, 2)]
    tally = Tally(f"equal arms, {sum(TIGHT)} answers to {len(TIGHT)} questions")
    for first, second in zip(*(arm.good.tolist() for arm in arms), strict=True):
        tests = (sign_flip_test(first, second, of) for of in (range(174), arms[0].clusters))
        tally.add("significant at 5 %, %", "≤ 5", *(p < 0.05 for p in tests))
    yield from tally.figures()


def few_rows(draws: int = 1000) -> Iterator[SimulatedFigure]:
    """Better on 10 % of the rows and worse on 2 %; Student's t says [0, 0] where none differs."""
    for rows in (5, 8, 12, 20):
        tally, random = Tally(f"a paired difference on {rows} rows"), np.random.default_rng(rows)
        for chance in random.random((draws, rows)):
            first, second = (chance < 0.1).tolist(), (chance > 0.98).tolist()
            differences = np.subtract(first, second, dtype=np.float64)
            naive = Interval(0.0, 0.0, 0.0)
            if any(differences):
                ends = ttest_1samp(differences, 0).confidence_interval(0.95)
                naive = Interval(float(differences.mean()), float(ends.low), float(ends.high))
            tally.covers(0.08, naive, paired_difference(first, second, range(rows)))
        yield from tally.figures()


def missing_verdicts(draws: int = 1000) -> Iterator[SimulatedFigure]:
    """Three must-rules; 20 % of the verdicts on the last two are missing, whatever they were."""
    chances, random = np.array([0.8, 0.775, 0.775]), np.random.default_rng(1)
    tally, truth = Tally("strict with 20 % of two rules' verdicts missing"), float(chances.prod())
    for _ in range(draws):
        passes = random.random((ROWS, 3)) < chances
        known = np.column_stack([np.ones(ROWS, dtype=bool), random.random((ROWS, 2)) >= 0.2])
        failed: Bools = np.any(known & ~passes, axis=1)
        complete: Bools = np.all(known, axis=1)
        decided = (~failed[failed | complete], ~failed[complete])
        rates = [rate(of.tolist(), range(len(of))) for of in decided]
        tally.add("bias of strict, points", "0", *(of.value - truth for of in rates if of))
        tally.covers(truth, *rates)
    yield from tally.figures()


# -- people's labels -----------------------------------------------------------------------------


def other_errors(draws: int = 400) -> Iterator[SimulatedFigure]:
    """A judge calibrated on other systems with TNR 0.8, which has 0.5 on the student's answers.

    Ours are 60 labels of the student's own answers, with PPI++.
    """
    answers = _draw_answers(0.5, SIZES, draws, 0)
    tally = Tally("the rate by people, the judge errs otherwise on the student")
    random = np.random.default_rng(1)
    for good in answers.good:
        passed = random.random(len(good)) < np.where(good, 0.9, 0.5)
        tpr, tnr = (
            wilson(int(random.binomial(60, 0.9)), 60),
            wilson(int(random.binomial(40, 0.8)), 40),
        )
        naive = corrected_rate(passed.tolist(), answers.clusters, effective_confusion(tpr, tnr))
        labelled = set(random.permutation(len(good))[:60].tolist())
        labels = [bool(of) if n in labelled else None for n, of in enumerate(good.tolist())]
        sample = LabelledSample(labels, passed.astype(float).tolist())
        ours = powered_rate(sample, answers.clusters)
        stated = naive if isinstance(naive, Interval) else None
        tally.covers(0.5, stated, ours.rate if ours else None)
    yield from tally.figures()


def repeated_labels(draws: int = 400) -> Iterator[SimulatedFigure]:
    """Labels of 90 answers of each kind to 15 questions; all or none of a question are judged
    rightly."""
    tally = Tally("the rate by people, labels of 6 answers to a question")
    random, questions = np.random.default_rng(3), np.repeat(np.arange(15), 6)
    for _ in range(draws):
        good = random.random(400) < 0.5
        passed = (random.random(400) < np.where(good, 0.9, 0.2)).tolist()
        shares = [(random.random(15) < of)[questions].tolist() for of in (0.9, 0.8)]
        stated = []
        for names in (range(90), questions.tolist()):
            tpr, tnr = (rate(share, names) for share in shares)
            estimate = corrected_rate(passed, range(400), effective_confusion(tpr, tnr))
            stated.append(estimate if isinstance(estimate, Interval) else None)
        if None not in stated:
            tally.covers(0.5, *stated)
    yield from tally.figures()


def causes_of_bias(draws: int = 1000) -> Iterator[SimulatedFigure]:
    """600 labels of 300 questions; the gold falls with length, and errors differ by gold.

    Naive: each cause alone, by rows, at 5 %. Ours: all at once with the gold, by question, Holm.
    """
    random = np.random.default_rng(2)
    length = random.uniform(-1.5, 1.5, 600)
    features: dict[str, Floats] = {"length": length}
    for name in ("opening", "language", "arm"):
        features[name] = np.where(random.random(600) < 0.5, 0.5, -0.5)
    questions = np.repeat(np.arange(300), 2).tolist()
    for planted in (None, *features):
        tally = Tally(f"bias of the judge: {f'by {planted}' if planted else 'none'}")
        for _ in range(draws):
            shared = np.repeat(random.normal(0, 0.15, 300), 2)
            gold = random.random(600) < 0.6 - 0.1 * length + shared
            size = 0.1 if planted == "length" else 0.15
            bias = size * features[planted] if planted else 0.0
            judge = random.random(600) < np.where(gold, 0.8, 0.2) + bias
            detected = _detected(features, judge, gold, questions, planted)
            measure = "found, %" if planted else "false alarms, %"
            tally.add(measure, "≥ 90" if planted else "≤ 5", *detected)
        yield from tally.figures()


def _detected(
    features: dict[str, Floats],
    judge: Bools,
    gold: Bools,
    questions: Sequence[int],
    planted: str | None,
) -> tuple[bool, bool]:
    """Whether the planted cause is significant, or any where none is planted."""
    errors = judge.astype(float) - gold
    alone = {
        name: clustered_regression(
            errors, np.column_stack([np.ones(600), column]), list(range(600))
        ).contrast(np.array([0.0, 1.0]))[1]
        for name, column in features.items()
    }
    ours = {
        cause.cause: cause.significant
        for cause in regress_errors(features, judge.tolist(), gold.tolist(), questions)
    }
    names = [planted] if planted else list(features)
    return any(alone[name] < 0.05 for name in names), any(ours[name] for name in names)
