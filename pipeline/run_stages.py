"""Runs the stages in order, each as a child process; skips those that are up to date."""

import shlex
import time
from functools import partial
from pathlib import Path

from config.checkout import checkout_commit
from config.cli import FAULT_CODE
from config.console import print
from config.errors import DataError, UnpromptedError
from config.load import dump_config
from config.schema import Config
from data.atomic_write import write_text
from data.file_lock import claim
from data.jsonl import read_record
from data.records import Record
from data.run_paths import RunPaths
from data.stored_file import make_folder
from pipeline.child import failure_reason, run_child, warnings_of
from pipeline.plan.expected_time import expected_stage_seconds
from pipeline.stage_stamp import (
    StageInputs,
    is_up_to_date,
    stage_inputs,
    stage_seconds,
    stage_times,
    write_stamp,
)
from pipeline.stages import Stage, pipeline_stages
from pipeline.time_left import TimeLeft

INCONCLUSIVE = 3  # exit code of the judge; the report is written all the same


class _Finding(Record, extra="ignore"):
    """A reason not to serve the best student."""

    finding: str


class _ReportNumbers(Record, extra="ignore"):
    """The fields of report.json that are printed."""

    headline: str
    do_not_serve: tuple[_Finding, ...]


class StageFailed(UnpromptedError):
    """A stage's command failed; carries its exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        # negative: killed by a signal; 1: Python could not start it, and no gate failed
        self.exit_code = FAULT_CODE if code == 1 else code if code > 0 else 128 - code


def run_stages(config: Config, accept_changes: bool) -> int:
    """Runs all stages. Every command reads the settings of now, resolved in the run's folder.

    Returns 0, or 3 when the judge finds the run inconclusive. Raises StageFailed, and DataError
    when an input of a stage changes while it runs.
    """
    run = RunPaths.of(config)
    make_folder(run.root)
    with claim(run.root, "run"):
        write_text(run.config, dump_config(config))
        stages = pipeline_stages(config, checkout_commit())
        time_left = TimeLeft([stage.name for stage in stages], stage_seconds(run, stages))
        code = 0
        for stage in stages:
            if stage.name == "report":
                times = stage_times(run, stages[:-1]).model_dump_json(indent=1)
                write_text(run.timings, times + "\n")
            code = max(code, run_stage(config, stage, accept_changes, time_left))
            if stage.name == "data":
                time_left.estimate_with(partial(expected_stage_seconds, config))
    seconds = stage_seconds(run, stages)
    parts = ", ".join(f"{name} {spent:.0f} s" for name, spent in seconds.items() if spent >= 1)
    print(f"time per stage: {parts}; {sum(seconds.values()):.0f} s in total")
    numbers = read_record(run.report("json"), _ReportNumbers)
    print()
    for reason in numbers.do_not_serve:
        print(f"do not serve this model: {reason.finding}")
    settings = shlex.quote(str(run.config))
    print(f"{numbers.headline}\nto look closer: unprompted show {settings}")
    print(f"to talk to it: unprompted chat {settings}\nreport: {run.report('html')}")
    return code


def run_stage(config: Config, stage: Stage, accept_changes: bool, time_left: TimeLeft) -> int:
    """Runs a stage that is not up to date; returns its exit code. Raises as `run_stages` does."""
    run = RunPaths.of(config)
    inputs = stage_inputs(stage, config)
    if is_up_to_date(run, stage, inputs):
        print(f"{stage.name}: unchanged, skipped", flush=True)
        return 0
    print(f"{stage.name} ({time_left.place(stage.name)}) …", flush=True)
    module, *action = stage.command
    log = run.root / "logs" / f"{stage.name.replace(' ', '_')}.log"
    start = time.monotonic()
    options = ["--accept-changes"] * accept_changes
    code = run_child([module, str(run.config), *action, *options], log, stage.name)
    for warning in warnings_of(log):
        print(f"  {warning}", flush=True)
    seconds = time.monotonic() - start
    if code not in (0, INCONCLUSIVE):
        raise StageFailed(f"{stage.name}: {failure_reason(log, code)}", code)
    _refuse_changed(config, stage, inputs)
    if code == 0:
        write_stamp(run, stage, inputs, seconds)
    time_left.record(stage.name, seconds)
    print(f"{stage.name}: done in {seconds:.0f} s", flush=True)
    return code


def _refuse_changed(config: Config, stage: Stage, inputs: StageInputs) -> None:
    """Raises DataError when a file that the stage reads is no longer as before the stage."""
    if stage_inputs(stage, config).work != inputs.work:
        newest = max(filter(Path.exists, stage.reads), key=lambda path: path.stat().st_mtime)
        raise DataError(
            f"{stage.name}: a file that it reads changed while it ran, the newest is {newest}; "
            "run the same command again"
        )
