"""Causes of bias: a planted one is found and named, none is found where none is planted."""

from itertools import product

import numpy as np
import pytest
from statsmodels.api import OLS

from judge.calibration.bias import JudgedPair
from judge.calibration.bias_causes import (
    BiasCause,
    JudgedAnswer,
    answer_features,
    bias_causes,
    causes_of_choices,
    regress_errors,
)
from judge.labels import Preference
from judge.metrics.regression import clustered_regression
from judge.metrics.stats import Floats
from tests.judge.factories import make_row

LABELS = 600  # 300 questions, two answers each
TIMES = 200
ENGLISH = ["library", "opens", "at", "nine", "and", "closes", "six", "every", "day"]
RUSSIAN = ["библиотека", "открыта", "с", "девяти", "до", "шести", "каждый", "день"]


def draw_text(random: np.random.Generator) -> str:
    """10 … 80 words in one of two languages, half of them behind a greeting."""
    russian = bool(random.random() < 0.5)
    words = random.choice(RUSSIAN if russian else ENGLISH, int(10 * 2 ** (3 * random.random())))
    opening = ["Hello"] if random.random() < 0.5 else []
    return " ".join([*opening, *words])


def draw_answers() -> list[JudgedAnswer]:
    random = np.random.default_rng(1)
    return [
        JudgedAnswer(
            *(draw_text(random), system, f"q{question}"),
            judge=False,
            gold=False,
            place=int(random.integers(3)),  # of the rule in a call about three
        )
        for question, system in product(range(LABELS // 2), ("giga", "saiga"))
    ]


ANSWERS = draw_answers()
FEATURES = answer_features(ANSWERS)
QUESTIONS = [answer.question for answer in ANSWERS]
PLANTED = {
    "length": 0.1,  # per doubling
    "each later place": 0.1,
    "opening “hello”": 0.15,
    "Russian": 0.15,
    "system saiga beside giga": 0.15,
}


def draw_verdicts(
    random: np.random.Generator, cause: str | None = None
) -> tuple[list[bool], list[bool]]:
    """A judge with TPR and TNR of 0.8; a cause shifts the chance of a pass.

    The gold is worse on long answers, and alike on the answers to one question.
    """
    length = FEATURES["length"] - FEATURES["length"].mean()
    shared = np.repeat(random.normal(0, 0.15, LABELS // 2), 2)
    gold = random.random(LABELS) < 0.6 - 0.1 * length + shared
    chance = np.where(gold, 0.8, 0.2)
    if cause is not None:
        chance = chance + PLANTED[cause] * (FEATURES[cause] - FEATURES[cause].mean())
    judge = random.random(LABELS) < chance
    return judge.tolist(), gold.tolist()


def causes(random: np.random.Generator, cause: str | None = None) -> dict[str, BiasCause]:
    judge, gold = draw_verdicts(random, cause)
    return {effect.cause: effect for effect in regress_errors(FEATURES, judge, gold, QUESTIONS)}


def test_the_features_are_named() -> None:
    assert set(FEATURES) == set(PLANTED)


@pytest.mark.parametrize("cause", PLANTED)
def test_a_planted_cause_is_found(cause: str) -> None:
    """Power of at least 90 % at 600 labels, and the intervals hold what was planted."""
    random = np.random.default_rng(2)
    detected = covered = others = 0
    for _ in range(TIMES):
        effects = causes(random, cause)
        effect = effects.pop(cause)
        detected += effect.significant and effect.effect > 0
        covered += effect.low <= PLANTED[cause] <= effect.high
        others += any(other.significant for other in effects.values())
    assert detected / TIMES >= 0.9
    assert covered / TIMES >= 0.9  # 95 % − 3.2 standard errors
    assert others / TIMES <= 0.1  # 5 % + 3.2 standard errors


def test_without_a_cause_nothing_is_found() -> None:
    """5 % over all causes together; of 600 draws 7.7 % is 3 standard errors more.

    The gold falls with the length and errors differ by gold, which must not look like a bias.
    """
    random = np.random.default_rng(3)
    alarms = sum(
        any(effect.significant for effect in causes(random).values()) for _ in range(3 * TIMES)
    )
    assert alarms / (3 * TIMES) <= 0.077


def draw_choices(random: np.random.Generator, later: float) -> list[JudgedPair]:
    """200 labelled pairs in both orders; a judge that agrees with people in 70 %.

    Where it errs otherwise, it takes the second answer more often by `later`.
    """
    pairs = []
    for number, (good, bad) in enumerate(zip(ANSWERS[::2][:200], ANSWERS[1::2], strict=False)):
        row = make_row(f"r{number}", answers={"a": good.text, "b": bad.text})
        better, worse = random.permutation(["a", "b"])
        preference = Preference(row=row.id, better=better, worse=worse)
        first, second = random.random(2) < np.array([0.7 - later / 2, 0.7 + later / 2])
        pairs.append(JudgedPair(row, preference, bool(first), bool(second)))
    return pairs


def test_the_place_in_a_comparison_is_a_cause() -> None:
    """The second answer is chosen more often by 20 points: power, interval and false alarms.

    A choice for one answer is one against the other, so the effect on being chosen is 0.2.
    """
    random = np.random.default_rng(4)
    detected = covered = alarms = 0
    times = 60  # the features of 800 answers are read anew each time
    for _ in range(times):
        place = {c.cause: c for c in causes_of_choices(draw_choices(random, 0.2))}
        effect = place["each later place"]
        detected += effect.significant and effect.effect > 0
        covered += effect.low <= 0.2 <= effect.high
        alarms += any(c.significant for c in causes_of_choices(draw_choices(random, 0.0)))
    assert detected / times >= 0.9
    assert covered / times >= 0.86  # 95 % − 3.2 standard errors
    assert alarms / times <= 0.14  # 5 % + 3.2 standard errors


def test_an_undecided_choice_is_left_out() -> None:
    """With one order of each pair the place is known still, unless the better is always first."""
    pairs = draw_choices(np.random.default_rng(4), 0.0)
    mixed = [
        pair._replace(shown_second=None) if number % 2 else pair._replace(shown_first=None)
        for number, pair in enumerate(pairs)
    ]
    assert "each later place" in {cause.cause for cause in causes_of_choices(mixed)}
    assert causes_of_choices([pair._replace(shown_second=None) for pair in pairs]) == ()
    none = [pair._replace(shown_first=None, shown_second=None) for pair in pairs]
    assert causes_of_choices(none) == ()


def test_the_regression_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(5)
    groups = np.repeat(np.arange(40), 3)
    features: Floats = np.column_stack([np.ones(120), random.normal(size=(120, 2))])
    outcomes = features @ [1.0, 0.5, 0.0] + random.normal(size=120) + groups % 2
    ours = clustered_regression(outcomes, features, groups.tolist())
    theirs = OLS(outcomes, features).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
    )
    assert ours.coefficients == pytest.approx(theirs.params)
    assert np.sqrt(np.diag(ours.covariance)) == pytest.approx(theirs.bse)
    for place in range(3):
        interval, p = ours.contrast(np.eye(3)[place])
        assert p == pytest.approx(theirs.pvalues[place])
        assert (interval.low, interval.high) == pytest.approx(tuple(theirs.conf_int()[place]))


def test_nothing_without_enough_answers() -> None:
    """Seven columns with the gold, so 20 each, and 30 questions."""
    random = np.random.default_rng(6)
    judge, gold = draw_verdicts(random)
    judged = [
        answer._replace(judge=verdict, gold=truth)
        for answer, verdict, truth in zip(ANSWERS, judge, gold, strict=True)
    ]
    assert bias_causes([]) == () == bias_causes(judged[:80])
    one_question = [answer._replace(question="q") for answer in judged]
    assert bias_causes(one_question) == ()
    assert len(bias_causes(judged)) == len(PLANTED)


def test_a_gold_of_one_kind_is_no_regressor() -> None:
    """Code that passes everything: the judge's fails alone are regressed."""
    judged = [answer._replace(judge=n % 3 > 0, gold=True) for n, answer in enumerate(ANSWERS)]
    assert len(bias_causes(judged)) == len(PLANTED)
