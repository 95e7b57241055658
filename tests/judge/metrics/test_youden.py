"""J with its interval: by hand, and by simulation where answers to one question err alike."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from judge.metrics.agreement import rater_agreement, youden_interval
from tests.judge.metrics.intervals import as_tuple
from tests.judge.metrics.simulated import Bools

TIMES = 1000
QUESTIONS = 60
ALIKE = 0.6  # correlation of the judge's errors on the answers to one question


def test_by_hand() -> None:
    """TPR 18/20 and TNR 12/20, Wilson's ends of each: J − √(Σ (rate − end)²)."""
    gold = [True] * 20 + [False] * 20
    judged = [True] * 18 + [False] * 2 + [False] * 12 + [True] * 8
    rates, ends = (0.9, 0.6), [proportion_confint(n, 20, method="wilson") for n in (18, 12)]
    below, above = (
        sum((rate - end[side]) ** 2 for rate, end in zip(rates, ends, strict=True)) ** 0.5
        for side in (0, 1)
    )
    expected = (0.5, 0.5 - below, 0.5 + above)
    assert as_tuple(youden_interval(gold, judged, range(40))) == pytest.approx(expected)


def test_a_judge_without_errors_is_not_certain() -> None:
    """20 of 20 on both sides: each rate may be as low as 0.839, so J ≥ 1 − 0.161·√2."""
    gold = [True, False] * 20
    low, _ = proportion_confint(20, 20, method="wilson")
    expected = (1, 1 - (1 - low) * 2**0.5, 1)
    assert as_tuple(youden_interval(gold, gold, range(40))) == pytest.approx(expected)


def test_undefined_without_both_kinds() -> None:
    assert youden_interval([True] * 9, [True] * 9, range(9)) is None
    agreement = rater_agreement([True] * 9, [True] * 9, range(9), 0, 0)
    assert agreement.youden is None and agreement.tpr is not None and agreement.tnr is None


def test_copies_of_a_question_add_no_certainty() -> None:
    """Each answer three times: the interval is that of the answers once, as are TPR's and TNR's."""
    gold = [True] * 30 + [False] * 30
    judged = [True] * 25 + [False] * 25 + [True] * 10
    names = list(range(60)) * 3
    copied = rater_agreement(gold * 3, judged * 3, names, 0, 0)
    apart = rater_agreement(gold * 3, judged * 3, range(180), 0, 0)
    for measure in ("accuracy", "tpr", "tnr", "youden"):
        clustered, naive = (as_tuple(getattr(it, measure)) for it in (copied, apart))
        assert clustered[0] == pytest.approx(naive[0])
        ratio = (clustered[2] - clustered[1]) / (naive[2] - naive[1])
        assert ratio == pytest.approx(3**0.5, rel=0.12)  # width falls with √n


def draw(rivals_alike: bool) -> tuple[Bools, Bools, list[int]]:
    """Gold and verdicts [times, n] on three answers to each question; TPR = TNR = 0.85."""
    random = np.random.default_rng(4)
    index = np.repeat(np.arange(QUESTIONS), 3)
    shared = (random.random((TIMES, QUESTIONS)) < 0.85)[:, index]
    own = random.random((TIMES, len(index))) < 0.85
    correct = np.where(random.random(own.shape) < ALIKE**0.5, shared, own)
    by_question = (random.random((TIMES, QUESTIONS)) < 0.6)[:, index]
    gold = by_question if rivals_alike else random.random(own.shape) < 0.6
    return gold, gold == correct, index.tolist()


@pytest.mark.parametrize("rivals_alike", [True, False])
def test_covers(rivals_alike: bool) -> None:
    """J = 0.7. With equal gold in a question TPR and TNR are independent, otherwise correlated.

    Measured with clusters 94.1 and 93.3 %, for independent answers 82.0 and 82.7 %. Of 1,000 draws
    92.5 % is 3.6 standard errors below 95 %.
    """
    gold, judged, names = draw(rivals_alike)
    covered = dict.fromkeys(("clustered", "independent"), 0)
    for truth, verdicts in zip(gold.tolist(), judged.tolist(), strict=True):
        for name, clusters in (("clustered", names), ("independent", range(len(names)))):
            interval = youden_interval(truth, verdicts, clusters)
            assert interval is not None
            covered[name] += interval.low <= 0.7 <= interval.high
    assert 0.925 <= covered["clustered"] / TIMES <= 0.975
    assert covered["independent"] / TIMES <= 0.9
