"""Compares the best student with the thresholds of `judge.gate`: one result per gate.

Measures nothing but the paired test: the numbers are those that scoring and calibration wrote.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from config.errors import ConfigError, DataError
from config.judging import GateSettings, JudgeSettings
from config.schema import Config
from data.jsonl import read_record, read_records
from data.run_paths import RunPaths
from data.stored_file import is_stored
from judge.calibration.record import Calibration, calibration_flaw, calibration_of_scores
from judge.calibration.rule_youden import margin_youden
from judge.checks.applicability import must_rules_by_model
from judge.metrics.estimators import non_inferiority
from judge.metrics.interval import Interval, Refusal, format_difference, format_share
from judge.metrics.verdict_table import (
    BY_CODE,
    STRICT,
    USEFUL,
    VerdictTable,
    build_verdict_table,
)
from judge.records import BASE, TEACHER, JudgeResult
from judge.summary.records import GateResult
from judge.verdict import Verdict
from prompts.prompt_file import load_prompt
from prompts.rules import rules_sha256

_CODE_YOUDEN = Interval(1.0, 1.0, 1.0)  # rules in code do not err


class GateMeasurements(NamedTuple):
    """The measurements of a run that its gates use."""

    best: str  # arm of the best student
    result: JudgeResult
    table: VerdictTable
    calibration: Calibration | Refusal  # of the current judge


def read_measurements(config: Config) -> GateMeasurements:
    """The measurements on disk. Raises DataError when the current rules have not judged the run."""
    run = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    way_out = "run `unprompted judge CONFIG score` first"
    if not (is_stored(run.scores) and is_stored(run.verdicts)):
        raise DataError(f"{run.scores}: missing; {way_out}")
    result = read_record(run.scores, JudgeResult)
    if result.scores.rules_sha256 != rules_sha256(rules):
        raise DataError(
            f"{run.scores}: scored by other rules than {config.prompt.rules}; {way_out}"
        )
    best = f"student/{run.best_student()}"
    if best not in result.scores.arms:
        raise DataError(f"{run.scores}: holds no scores of the best student, {best}; {way_out}")
    table = build_verdict_table(rules, run.rows("val"), read_records(run.verdicts, Verdict))
    table = replace(table, choice=result.scores.choice)
    calibration = calibration_of_scores(run.calibration, rules, prompt, result)
    return GateMeasurements(best, result, table, calibration)


def exit_code(gates: list[GateResult]) -> int:
    """4: the judge is not calibrated; 3: too much is missing; 1: a gate failed; 0: all passed.

    In this order: a number that cannot be trusted does not count as a failure.
    """
    outcomes = {gate.outcome for gate in gates}
    if "uncalibrated" in outcomes:
        return 4
    if outcomes & {"inconclusive", "undecided"}:
        return 3
    return 1 if "fail" in outcomes else 0


def decide_gates(settings: JudgeSettings, measured: GateMeasurements) -> Iterator[GateResult]:
    """The result of every gate that is set; those on missing verdicts and serving always apply.

    Raises ConfigError when none is set.
    """
    gate = settings.gate
    if gate == GateSettings():
        raise ConfigError(
            "judge.gate: no threshold is set; set strict_min, gap_closed_min, "
            "not_worse_than_teacher, max_missing or calibrated"
        )
    if gate.calibrated:
        yield _calibrated(measured)
    yield _missing(gate, settings.max_missing, measured)
    yield _serve(measured)
    if gate.strict_min is not None:
        yield _strict(gate.strict_min, measured)
    if gate.gap_closed_min is not None:
        yield _gap(gate.gap_closed_min, measured)
    if gate.not_worse_than_teacher is not None:
        yield _not_worse(gate.not_worse_than_teacher, measured)


def _gate(name: str, passed: bool | None, message: str) -> GateResult:
    """The result of a comparison; `passed` None: undecided."""
    outcome = {True: "pass", False: "fail", None: "undecided"}[passed]
    return GateResult(name=name, outcome=outcome, message=message)


def _reaches(low: float | None, high: float | None, threshold: float) -> bool | None:
    """Whether a measurement reaches a threshold with its whole interval.

    None where there is none, or where the threshold lies within: more rows would tell.
    """
    if low is None or high is None or low < threshold <= high:
        return None
    return low >= threshold


def _calibrated(measured: GateMeasurements) -> GateResult:
    name, calibration = "calibrated", measured.calibration
    by_llm = must_rules_by_model(measured.table.rules)
    if not by_llm:
        return _gate(name, True, "no must-rule is decided by a model")
    flaw = calibration_flaw(calibration)
    if isinstance(calibration, Calibration) and flaw is None:
        n = calibration.useful[USEFUL].report.n
        return _gate(name, True, f"against people's labels on {n} answers")
    message = f"{', '.join(by_llm)}: {flaw}"
    return GateResult(name=name, outcome="uncalibrated", message=message)


def _missing(gate: GateSettings, default: float, measured: GateMeasurements) -> GateResult:
    limit = default if gate.max_missing is None else gate.max_missing
    arms = [measured.best]
    if gate.gap_closed_min is not None:
        arms += [TEACHER, BASE]
    elif gate.not_worse_than_teacher is not None:
        arms.append(TEACHER)
    scores = measured.result.scores
    strict = {arm: score for arm in arms if (score := scores.strict_of(arm)) is not None}
    missing = {
        arm: score.missing / max(1, score.n + score.missing) for arm, score in strict.items()
    }
    worst = max(missing, key=missing.__getitem__)
    return GateResult(
        name="max_missing",
        outcome="inconclusive" if missing[worst] > limit else "pass",
        message=f"{missing[worst]:.1%} of the strict scores of {worst}, at most {limit:.1%}",
    )


def _serve(measured: GateMeasurements) -> GateResult:
    """Fails with the reasons of `judge.summary.serving_decision` not to serve the student."""
    serving = measured.result.serving
    if serving is None or serving.student != measured.best:
        reason = f"not decided for {measured.best}; run `unprompted judge CONFIG score` again"
        return _gate("serve", None, reason)
    reasons = serving.reasons
    remedies = [f"{reason.check}: what would help: {reason.remedy}" for reason in reasons]
    return GateResult(
        name="serve",
        outcome="fail" if reasons else "pass",
        message="; ".join(reason.finding for reason in reasons) or "no reason against it",
        details="\n".join(remedies),
    )


def _strict(threshold: float, measured: GateMeasurements) -> GateResult:
    scores = measured.result.scores
    strict = scores.arms[measured.best].of(scores.headline)
    rate = format_share(strict.rate, strict.low, strict.high)
    passed = _reaches(strict.low, strict.high, threshold)
    name = "" if scores.headline == STRICT else f"{scores.headline}: "
    return _gate("strict_min", passed, f"{name}{rate} on {strict.n} rows, at least {threshold:.1%}")


def _gap(threshold: float, measured: GateMeasurements) -> GateResult:
    gaps = measured.result.scores.gaps
    gap = next(gap for gap in gaps if gap.student == measured.best)
    passed, closed = _reaches(gap.low, gap.high, threshold), str(gap.refused)
    if gap.value is not None:
        closed = f"{format_share(gap.value, gap.low, gap.high)} on {gap.n} rows"
    return _gate("gap_closed_min", passed, f"{closed}, at least {threshold:.1%}")


def _not_worse(margin: float, measured: GateMeasurements) -> GateResult:
    name, table = "not_worse_than_teacher", measured.table
    if TEACHER not in table.verdicts:
        return _gate(name, None, "the teacher has no verdicts")
    score = measured.result.scores.headline
    student, teacher = table.decided(measured.best, score), table.decided(TEACHER, score)
    keys = [key for key in student if key in teacher]
    by_model = score != BY_CODE
    index = margin_youden(table.rules, measured.calibration) if by_model else _CODE_YOUDEN
    if isinstance(index, Refusal):
        return _gate(name, None, index.reason)
    test = non_inferiority(
        [float(student[key]) for key in keys],
        [float(teacher[key]) for key in keys],
        table.clusters(keys),
        margin,
        index.low,
        table.optimism(measured.best, score),
    )
    if isinstance(test, Refusal):
        return _gate(name, None, test.reason)
    difference, bound, limit = map(format_difference, (test.difference, test.low, test.limit))
    message = (
        f"{difference} on {len(keys)} rows, one-sided 95 % bound {bound}, above {limit} "
        f"(margin {margin:.1%}, J at least {index.low:.2f}); if both arms are equal, {test.rows} "
        "rows show it"
    )
    return _gate(name, test.holds, message)
