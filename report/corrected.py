"""The rate of answers that people would call good, of val and of the hidden set alike.

Knows when a calibration may correct a score; leaves the formula to the judge.
"""

from data.records import Record
from judge.calibration.record import Calibration
from judge.checks.applicability import by_model
from judge.metrics.agreement import Confusion
from judge.metrics.drift import AnsweredSplit
from judge.metrics.estimators import corrected_rate
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import VerdictTable


class Corrected(Record):
    """A strict rate corrected for the judge's errors, or why it stays raw."""

    value: float | None
    low: float | None  # 95 % interval, of the answers as of TPR and TNR
    high: float | None
    refused: str | None


def corrected(
    found: Calibration | Refusal, side: AnsweredSplit | None, arm: str | None, what: str
) -> Corrected:
    """The share of an arm's answers that people would call good.

    Inferred from its scores by `what` (STRICT or LABEL_FREE) and from how that very score saw the
    logged answers that people called good or bad.
    """
    if isinstance(found, Refusal):
        return _raw(found.reason)
    if side is None or arm not in side.table.verdicts:
        return _raw("the answers have not been judged by the rules of today")
    held = found.scores.get(what)
    if held is None or not held.report.n:
        return _raw("no logged answer that this score decides is called good or bad")
    asked = _asked(side.table, held.must_rules) if found.judge.model is None else []
    if asked:
        return _raw(f"a language model decides {', '.join(asked)} and was not calibrated")
    one = held.report
    counts = Confusion(one.true_pass, one.false_pass, one.false_fail, one.true_fail)
    scores = side.table.decided(arm, what)
    rate = corrected_rate(list(scores.values()), side.table.clusters(scores), counts)
    if isinstance(rate, Refusal):
        return _raw(rate.reason)
    return Corrected(value=rate.value, low=rate.low, high=rate.high, refused=None)


def _asked(board: VerdictTable, must: tuple[str, ...]) -> list[str]:
    return [due.id for due in board.rules.scored_rules() if due.id in must and by_model(due)]


def _raw(reason: str) -> Corrected:
    return Corrected(value=None, low=None, high=None, refused=reason)
