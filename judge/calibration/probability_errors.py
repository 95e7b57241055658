"""The calibration error of the probabilities with which a model passes a rule.

Against the code rule that the rule shadows, and against people who judged the rule.
"""

from collections.abc import Sequence

from judge.calibration.rule_labels import RuleLabel, verdict_of
from judge.metrics.calibration_error import CalibrationError, calibration_error
from judge.metrics.verdict_table import VerdictTable


def errors_against_code(table: VerdictTable, seed: int) -> dict[str, CalibrationError]:
    """ "RULE against code (RULE)" → the error, for each rule of a model that shadows code."""
    errors = {}
    for rule in table.rules.rules:
        if rule.shadow_llm:
            cases = [
                (probability, passed)
                for arm, answers in table.verdicts.items()
                for key, passed in table.decided(arm, rule.id).items()
                if (probability := answers[key][rule.shadow_llm].probability) is not None
            ]
            errors[f"{rule.shadow_llm} against code ({rule.id})"] = _error(cases, seed)
    return {name: error for name, error in errors.items() if error is not None}


def errors_against_people(
    labels: Sequence[RuleLabel], table: VerdictTable, seed: int
) -> dict[str, CalibrationError]:
    """ "RULE against people" → the error, for each rule that people judged."""
    errors = {}
    for rule in dict.fromkeys(label.rule for label in labels):
        cases = [
            (probability, label.good)
            for label in labels
            if label.rule == rule
            and (probability := verdict_of(table, label).probability) is not None
        ]
        errors[f"{rule} against people"] = _error(cases, seed)
    return {name: error for name, error in errors.items() if error is not None}


def _error(cases: Sequence[tuple[float, bool]], seed: int) -> CalibrationError | None:
    return calibration_error([p for p, _ in cases], [good for _, good in cases], seed)
