"""Reads the measurements that the gates of a run compare with their thresholds."""

from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.schema import Config
from data.jsonl import read_record, read_records
from data.run_paths import RunPaths
from judge.calibration.record import Calibration, judge_fingerprint, load_calibration
from judge.metrics.interval import Refusal
from judge.metrics.verdict_table import VerdictTable, build_verdict_table
from judge.records import JudgeResult
from judge.verdict import Verdict
from prompts.prompt_file import load_prompt
from prompts.rules import rules_sha256


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
    way_out = "run `python -m judge CONFIG score` first"
    if not (run.scores.exists() and run.verdicts.exists()):
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
    fingerprint = judge_fingerprint(rules, prompt, result.judge)
    return GateMeasurements(best, result, table, load_calibration(run.calibration, fingerprint))
