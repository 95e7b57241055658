"""The calibration in short: agreement with people, killed mutants, attacks that got through."""

from judge.calibration.record import Calibration
from judge.calibration.variants import CODE_ONLY
from judge.metrics.interval import Interval, Refusal
from judge.metrics.verdict_table import STRICT
from judge.records import EstimateOrReason
from judge.summary.records import AttackTotals, CalibrationTotals, MutationTotals


def total_calibration(
    calibration: Calibration, corrected: Interval | Refusal, llm_must: tuple[str, ...]
) -> CalibrationTotals:
    """The totals under the run's strict score.

    Under code's strict score where a model decides must-rules (`llm_must`) but was not calibrated.
    """
    score = CODE_ONLY if llm_must and calibration.judge.model is None else STRICT
    against_gold = calibration.scores.get(score)
    return CalibrationTotals(
        model=calibration.judge.model,
        score=score,
        people=against_gold.report if against_gold else None,
        corrected=EstimateOrReason.of(corrected),
        mutations=_mutations(calibration),
        attacks=_attacks(calibration, score),
        disagreement_count=calibration.disagreement_count,
    )


def _mutations(calibration: Calibration) -> MutationTotals:
    by_code = [score for score in calibration.mutations if score.check != "llm" and score.operators]
    by_operator = [
        (f"“{operator}” ({score.rule}, {kills.killed} of {kills.mutants})", kills)
        for score in by_code
        for operator, kills in score.operators.items()
    ]
    passed = sum(score.specificity.value * score.copies for score in by_code if score.specificity)
    return MutationTotals(
        rules=len(by_code),
        mutants=sum(kills.mutants for _, kills in by_operator),
        killed=sum(kills.killed for _, kills in by_operator),
        copies=sum(score.copies for score in by_code),
        passed=round(passed),
        missed=tuple(name for name, kills in by_operator if 2 * kills.killed < kills.mutants),
    )


def _attacks(calibration: Calibration, score: str) -> AttackTotals:
    report = calibration.attacks
    tallies = [attack.variants[score] for attack in report.attacks if score in attack.variants]
    return AttackTotals(
        texts=len(tallies),
        rows=len(report.rows),
        through=sum(tally.passed > 0 for tally in tallies),
        undecided=sum(tally.undecided > 0 and not tally.passed for tally in tallies),
        escapes=report.escapes,
        by_model=report.llm_row is not None,
    )
