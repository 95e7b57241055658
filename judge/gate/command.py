"""`python -m judge CONFIG gate`: thresholds on a run's scores as an exit code and as JUnit XML."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from config.errors import DataError
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import read_records
from data.run_paths import RunPaths
from judge.calibration.record import load_calibration, noted_fingerprint
from judge.format import format_share
from judge.gate.junit import JunitCase, junit
from judge.gate.junit import Outcome as CaseOutcome
from judge.gate.thresholds import Gate, GateMeasurements, decide, exit_code
from judge.metrics.verdict_table import build_verdict_table
from judge.records import JudgeResult
from judge.verdict import Verdict
from prompts.prompt_file import load_prompt
from prompts.rules import ScoredRule, rules_sha256

LISTED = 10  # failed answers named per rule
_CASES: dict[str, CaseOutcome] = {"pass": "pass", "fail": "failure"}  # all else: error


def gate_command(config: Config) -> int:
    """One line per gate, and judge/gate.xml. Returns 0, 1, 3 or 4."""
    measured = measure(config)
    gates = list(decide(config.judge, measured))
    for gate in gates:
        print(f"{gate.outcome}: {gate.name}: {gate.said}")
    suites = {
        f"{measured.best}: gates": [_gate_case(gate) for gate in gates],
        f"{measured.best}: rules": list(_rule_cases(config.judge.gate.strict_min, measured)),
    }
    write_text(RunPaths.of(config).gate, junit(config.name, suites))
    return exit_code(gates)


def measure(config: Config) -> GateMeasurements:
    """What the run has left. Raises DataError when it was not judged by the rules of today."""
    at = RunPaths.of(config)
    prompt, rules = load_prompt(config.prompt, Path())
    again = "run `python -m judge CONFIG score` first"
    if not (at.scores.exists() and at.verdicts.exists()):
        raise DataError(f"{at.scores}: not there; {again}")
    try:
        result = JudgeResult.model_validate_json(at.scores.read_bytes())
    except ValidationError as error:
        raise DataError(f"{at.scores}: {str(error).splitlines()[0]}; {again}") from None
    if result.scores.rules_sha256 != rules_sha256(rules):
        raise DataError(f"{at.scores}: made with other rules than {config.prompt.rules}; {again}")
    best = f"student/{at.best_student()}"
    if best not in result.scores.arms:
        raise DataError(f"{at.scores}: the best student, {best}, is not in it; {again}")
    board = build_verdict_table(rules, at.rows("val"), read_records(at.verdicts, Verdict))
    bound = noted_fingerprint(rules, prompt, result.judge)
    return GateMeasurements(best, result, board, load_calibration(at.calibration, bound))


def _gate_case(gate: Gate) -> JunitCase:
    return JunitCase(gate.name, _CASES.get(gate.outcome, "error"), f"{gate.outcome}: {gate.said}")


def _rule_cases(strict_min: float | None, measured: GateMeasurements) -> Iterator[JunitCase]:
    """One case per rule of the best student.

    A must-rule fails when its failures alone leave less than `strict_min`; without that threshold,
    or for a should-rule, the case only carries the numbers.
    """
    answers = measured.board.verdicts[measured.best]
    for due in measured.board.rules.scored_rules():
        failed = [by_rule[due.id] for by_rule in answers.values()]
        failed = [verdict for verdict in failed if verdict.outcome == "fail"]
        left = (len(answers) - len(failed)) / len(answers)
        sinks = due.must and strict_min is not None and left < strict_min
        yield _rule_case(due, failed, f"they alone leave {left:.1%}" if sinks else None, measured)


def _rule_case(
    due: ScoredRule, failed: list[Verdict], sinks: str | None, measured: GateMeasurements
) -> JunitCase:
    found = measured.result.scores.arms[measured.best].rules[due.id]
    missing = ", ".join(f"{count} {reason}" for reason, count in found.missing.items())
    numbers = (
        f"{format_share(found.rate, found.low, found.high)}, {found.passes} of {found.scored} pass"
        f"{f', missing: {missing}' if missing else ''}"
    )
    details = "\n".join(f"{one.row}: {one.note}".rstrip(": ") for one in failed[:LISTED])
    if len(failed) > LISTED:
        details += f"\nand {len(failed) - LISTED} more"
    if not found.scored:
        return JunitCase(due.id, "skipped", numbers if missing else "never due")
    if sinks is not None:
        said = f"{numbers}; {len(failed)} failures: {sinks}, below strict_min"
        return JunitCase(due.id, "failure", said, details)
    return JunitCase(due.id, "pass", numbers, details)
