"""Whether a run's best student passes the thresholds of `judge.gate`: one outcome per gate.

Measures nothing: it holds what scoring and calibration left on disk against the settings.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from config.errors import ConfigError
from config.judging import GateSettings, JudgeSettings
from judge.calibration.record import Calibration
from judge.checks.applicability import by_model
from judge.format import format_difference, format_share
from judge.metrics.estimators import non_inferiority
from judge.metrics.interval import Refusal
from judge.metrics.paired import BASE, TEACHER
from judge.metrics.verdict_table import STRICT, VerdictTable
from judge.records import JudgeResult

GateOutcome = Literal["pass", "fail", "undecided", "inconclusive", "uncalibrated"]


class Gate(NamedTuple):
    """One threshold and what was measured against it."""

    name: str
    outcome: GateOutcome
    said: str  # measured value, interval, threshold


class GateMeasurements(NamedTuple):
    """What a run has left for its gates."""

    best: str  # arm of the best student
    result: JudgeResult
    board: VerdictTable
    calibration: Calibration | Refusal  # of the judge as it is now


def exit_code(gates: list[Gate]) -> int:
    """4: the judge is not calibrated; 3: too much is missing to say; 1: a gate failed; 0: none.

    In this order: of numbers that cannot be trusted none is a failure.
    """
    outcomes = {gate.outcome for gate in gates}
    if "uncalibrated" in outcomes:
        return 4
    if outcomes & {"inconclusive", "undecided"}:
        return 3
    return 1 if "fail" in outcomes else 0


def decide(settings: JudgeSettings, measured: GateMeasurements) -> Iterator[Gate]:
    """Every gate that is set, and the one on missing verdicts always.

    Raises ConfigError when none is set.
    """
    asked = settings.gate
    if asked == GateSettings():
        raise ConfigError(
            "judge.gate: no threshold is set; set strict_min, gap_closed_min, "
            "not_worse_than_teacher, max_missing or calibrated"
        )
    if asked.calibrated:
        yield _calibrated(measured)
    yield _missing(asked, settings.max_missing, measured)
    if asked.strict_min is not None:
        yield _strict(asked.strict_min, measured)
    if asked.gap_closed_min is not None:
        yield _gap(asked.gap_closed_min, measured)
    if asked.not_worse_than_teacher is not None:
        yield _not_worse(asked.not_worse_than_teacher, measured)


def _calibrated(measured: GateMeasurements) -> Gate:
    ruled = _ruled_by_model(measured)
    found = measured.calibration
    if not ruled:
        return Gate("calibrated", "pass", "no must-rule is decided by a model")
    if isinstance(found, Refusal):
        return Gate("calibrated", "uncalibrated", f"{', '.join(ruled)}: {found.reason}")
    if not found.representative:
        said = "calibrated on no answer that people call good or bad; label some of the logs"
        return Gate("calibrated", "uncalibrated", f"{', '.join(ruled)}: {said}")
    n = found.scores[STRICT].report.n
    return Gate("calibrated", "pass", f"against people's labels on {n} answers")


def _ruled_by_model(measured: GateMeasurements) -> list[str]:
    return [due.id for due in measured.board.rules.scored_rules() if due.must and by_model(due)]


def _missing(asked: GateSettings, usual: float, measured: GateMeasurements) -> Gate:
    most = usual if asked.max_missing is None else asked.max_missing
    arms = [measured.best]
    if asked.gap_closed_min is not None:
        arms += [TEACHER, BASE]
    elif asked.not_worse_than_teacher is not None:
        arms.append(TEACHER)
    scores = measured.result.scores.arms
    shares = {
        arm: scores[arm].strict.missing / max(1, scores[arm].strict.n + scores[arm].strict.missing)
        for arm in arms
        if arm in scores
    }
    worst = max(shares, key=shares.__getitem__)
    said = f"{shares[worst]:.1%} of the strict scores of {worst}, at most {most:.1%}"
    return Gate("max_missing", "inconclusive" if shares[worst] > most else "pass", said)


def _strict(least: float, measured: GateMeasurements) -> Gate:
    found = measured.result.scores.arms[measured.best].strict
    said = (
        f"{format_share(found.rate, found.low, found.high)} on {found.n} rows, at least {least:.1%}"
    )
    if found.rate is None:
        return Gate("strict_min", "undecided", said)
    return Gate("strict_min", "pass" if found.rate >= least else "fail", said)


def _gap(least: float, measured: GateMeasurements) -> Gate:
    gaps = measured.result.scores.gaps
    found = next(gap for gap in gaps if gap.student == measured.best)
    if found.value is None:
        return Gate("gap_closed_min", "undecided", f"{found.refused}, at least {least:.1%}")
    closed = format_share(found.value, found.low, found.high)
    said = f"{closed} on {found.n} rows, at least {least:.1%}"
    return Gate("gap_closed_min", "pass" if found.value >= least else "fail", said)


def _not_worse(margin: float, measured: GateMeasurements) -> Gate:
    name, board = "not_worse_than_teacher", measured.board
    if TEACHER not in board.verdicts:
        return Gate(name, "undecided", "the teacher has no verdicts")
    ours, theirs = board.decided(measured.best, STRICT), board.decided(TEACHER, STRICT)
    units = [unit for unit in ours if unit in theirs]
    index, whence = _index(measured)
    found = non_inferiority(
        [float(ours[unit]) for unit in units],
        [float(theirs[unit]) for unit in units],
        board.clusters(units),
        margin,
        index,
    )
    if isinstance(found, Refusal):
        return Gate(name, "undecided", found.reason)
    said = (
        f"{format_difference(found.difference)} on {len(units)} rows, one-sided 95 % bound "
        f"{format_difference(found.low)}, above {format_difference(found.limit)} "
        f"(margin {margin:.1%}, J {index:.2f}, "
        f"{whence}); of two equal arms {found.rows} rows show it"
    )
    return Gate(name, "pass" if found.holds else "fail", said)


def _index(measured: GateMeasurements) -> tuple[float, str]:
    """The judge's J on the strict score, and where it is from."""
    if not _ruled_by_model(measured):
        return 1.0, "rules in code"
    found = measured.calibration
    known = None if isinstance(found, Refusal) else found.scores.get(STRICT)
    if known is None or known.report.j is None:
        return 1.0, "taken: the judge is not calibrated"
    return known.report.j, "calibrated"
