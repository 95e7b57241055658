"""`unprompted judge CONFIG gate`: the gates of a run as an exit code and as JUnit XML."""

import argparse

from config.console import print
from config.schema import Config
from data.atomic_write import write_text
from data.run_paths import RunPaths
from judge.gate.junit import CaseOutcome, JunitCase, junit_xml
from judge.gate.thresholds import (
    GateMeasurements,
    decide_gates,
    exit_code,
    read_measurements,
)
from judge.metrics.interval import format_share
from prompts.rules import ScoredRule

LISTED = 10  # failed answers named per rule
_CASES: dict[str, CaseOutcome] = {"pass": "pass", "fail": "failure"}  # all else: error


def gate_command(config: Config, arguments: argparse.Namespace) -> int:
    """One line per gate, and judge/gate.xml. Returns 0, 1, 3 or 4."""
    measured = read_measurements(config)
    gates = list(decide_gates(config.judge, measured))
    for gate in gates:
        print(f"{gate.outcome}: {gate.name}: {gate.message}")
    strict_min = config.judge.gate.strict_min
    suites = {
        f"{measured.best}: gates": [
            JunitCase(
                gate.name,
                _CASES.get(gate.outcome, "error"),
                f"{gate.outcome}: {gate.message}",
                gate.details,
            )
            for gate in gates
        ],
        f"{measured.best}: rules": [
            _rule_case(rule, strict_min, measured) for rule in measured.table.rules.scored_rules()
        ],
    }
    write_text(RunPaths.of(config).gate, junit_xml(config.name, suites))
    return exit_code(gates)


def _rule_case(rule: ScoredRule, strict_min: float | None, measured: GateMeasurements) -> JunitCase:
    """The case of one rule of the best student.

    A must-rule fails when its failures alone push the whole interval of the strict rate below
    `strict_min`. Without that threshold, and for a should-rule, the case only carries the numbers.
    """
    score = measured.result.scores.arms[measured.best].rules[rule.id]
    missing = ", ".join(f"{count} {reason}" for reason, count in score.missing.items())
    numbers = (
        f"{format_share(score.rate, score.low, score.high)}, {score.passes} of {score.scored} pass"
        f"{f', missing: {missing}' if missing else ''}"
    )
    if not score.scored:
        return JunitCase(rule.id, "skipped", numbers if missing else "never applicable")
    answers = measured.table.verdicts[measured.best].values()
    failed = [by_rule[rule.id] for by_rule in answers if by_rule[rule.id].outcome == "fail"]
    details = "\n".join(
        f"{verdict.row}: {verdict.note}".rstrip(": ") for verdict in failed[:LISTED]
    )
    if len(failed) > LISTED:
        details += f"\nand {len(failed) - LISTED} more"
    # of the answers that make up the strict rate, those that this rule alone leaves
    by_answer = measured.table.verdicts[measured.best]
    decided = measured.table.decided(measured.best, measured.result.scores.headline)
    left = measured.table.rate({key: by_answer[key][rule.id].outcome != "fail" for key in decided})
    if rule.must and strict_min is not None and left is not None and left.high < strict_min:
        rate = format_share(left.value, left.low, left.high)
        numbers += f"; {len(failed)} failures: they alone leave {rate}, below strict_min"
        return JunitCase(rule.id, "failure", numbers, details)
    return JunitCase(rule.id, "pass", numbers, details)
