"""What missing verdicts do to the strict rate, by simulation."""

from collections.abc import Callable

import numpy as np

from judge.metrics.stats import rate
from judge.metrics.verdict_table import complete_strict, strict
from judge.verdict import Verdict
from tests.judge.factories import make_verdict

RULES = ("code", "first", "second")  # must-rules; a language model decides the last two
PASS = (0.8, 0.775, 0.775)  # chances: 48 % of the rows pass all three
MISSING = 0.2  # of the model's verdicts, whatever they would have been
VERDICTS = {
    rule: [make_verdict(outcome, rule) for outcome in ("fail", "pass", "missing")] for rule in RULES
}
Strict = Callable[[list[Verdict], tuple[str, ...]], bool | None]


def simulated(score: Strict, draws: int = 1000, rows: int = 76) -> tuple[float, float]:
    """The mean rate over the decided rows, and how often its interval holds 48.05 %."""
    random = np.random.default_rng(1)
    outcomes = (random.random((draws, rows, 3)) < PASS).astype(int)
    outcomes[..., 1:][random.random((draws, rows, 2)) < MISSING] = 2
    truth, rates, covered = float(np.prod(PASS)), [], 0
    for draw in outcomes.tolist():
        scores = [
            score([VERDICTS[rule][of] for rule, of in zip(RULES, row, strict=True)], RULES)
            for row in draw
        ]
        decided = [passed for passed in scores if passed is not None]
        interval = rate(decided, range(len(decided)))
        assert interval is not None
        rates.append(interval.value)
        covered += interval.low <= truth <= interval.high
    return float(np.mean(rates)), covered / draws


def test_the_rate_of_complete_rows_is_right() -> None:
    """Measured 48.1 % and 95 %; the standard error of the mean is 0.2 points."""
    mean, covered = simulated(complete_strict)
    assert abs(mean - 0.4805) < 0.008
    assert covered > 0.93


def test_counting_fails_of_incomplete_rows_is_not() -> None:
    """One fail decides a row and a pass needs all verdicts: 48 % read 40 %, covered in 77 %."""
    mean, covered = simulated(strict)
    assert mean < 0.43
    assert covered < 0.85
