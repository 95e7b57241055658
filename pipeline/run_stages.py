"""Runs the stages in order, each as a child process; skips those that are up to date."""

import json
import time
from collections.abc import Sequence

import yaml

from config.checkout import checkout_commit
from config.errors import UnpromptedError
from config.schema import Config
from data.atomic_write import write_text
from data.file_lock import lock_file
from data.run_paths import RunPaths
from pipeline.child import failure_reason, run_child
from pipeline.stages import Stage, inputs_of, is_done, seconds_of, stages, stamp

INCONCLUSIVE = 3  # the judge's exit code: the report is written all the same


def run_stages(config: Config, path: str, options: Sequence[str]) -> int:
    """All stages in order. Returns 0, or 3 when the judge finds the run inconclusive."""
    run = RunPaths.of(config)
    with lock_file(run.root / "run"):
        values = yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
        write_text(run.config, values)
        every = stages(config, checkout_commit())
        code = 0
        for stage in every:
            if stage.name == "report":
                timings = json.dumps(seconds_of(run, every), indent=1)
                write_text(run.root / "timings.json", timings + "\n")
            code = max(code, _run_stage(config, stage, path, options))
    _say_time(seconds_of(run, every))
    headline = json.loads(run.report("json").read_text("utf-8"))["headline"]
    print(f"\n{headline}\nreport: {run.report('html')}")
    return code


def _run_stage(config: Config, stage: Stage, path: str, options: Sequence[str]) -> int:
    run = RunPaths.of(config)
    inputs = inputs_of(stage, config)
    if is_done(run, stage, inputs):
        print(f"{stage.name}: unchanged, skipped", flush=True)
        return 0
    print(f"{stage.name} …", flush=True)
    module, *action = stage.command
    log = run.root / "logs" / f"{stage.name.replace(' ', '_')}.log"
    start = time.monotonic()
    code = run_child([module, path, *action, *options], log, stage.name)
    seconds = time.monotonic() - start
    if code not in (0, INCONCLUSIVE):
        raise StageFailed(f"{stage.name}: {failure_reason(log, code)}", code)
    if code == 0:
        stamp(run, stage, inputs, seconds)
    print(f"{stage.name}: done in {seconds:.0f} s", flush=True)
    return code


class StageFailed(UnpromptedError):
    """A stage's command ended badly; carries its exit code on."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code if code > 0 else 128 - code  # a child killed by a signal


def _say_time(seconds: dict[str, float]) -> None:
    total = sum(seconds.values())
    parts = ", ".join(f"{name} {taken:.0f} s" for name, taken in seconds.items() if taken >= 1)
    print(f"where the time went: {parts}; {total:.0f} s in all")
