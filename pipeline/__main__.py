"""`python -m pipeline CONFIG`: logs in, student and report out; what is unchanged is skipped."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from config.cli import add_changes, parser, run_command
from config.errors import UnpromptedError
from config.load import load_config
from config.schema import Config
from data.atomic_write import write_text
from data.file_lock import lock_file
from data.run_paths import RunPaths
from pipeline.child import run_child, said
from pipeline.git import commit
from pipeline.stages import Stage, inputs_of, is_done, seconds_of, stages, stamp

INCONCLUSIVE = 3  # the judge's exit code: the report is written all the same


def main() -> int:
    """Runs the stages that need it, in order."""
    made = parser("pipeline", "From logs to a student that needs no prompt, and its report.")
    made.add_argument("--dry-run", action="store_true", help="show what would be done, and stop")
    add_changes(made)
    arguments = made.parse_args()
    path = Path(arguments.config)
    config = load_config(path, arguments.overrides)
    if arguments.dry_run:
        from pipeline.dryrun import dry_run  # heavy: the tokenizer

        print(dry_run(config))
        return 0
    options = [*arguments.overrides, *(["--accept-changes"] * arguments.accept_changes)]
    return run_all(config, path, options)


def run_all(config: Config, path: Path, options: Sequence[str]) -> int:
    """All stages in order. Returns 0, or 3 when the judge finds the run inconclusive."""
    run = RunPaths.of(config)
    with lock_file(run.root / "run"):
        values = yaml.safe_dump(config.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
        write_text(run.config, values)
        every = stages(config, commit())
        code = 0
        for stage in every:
            if stage.name == "report":
                timings = json.dumps(seconds_of(run, every), indent=1)
                write_text(run.root / "timings.json", timings + "\n")
            code = max(code, _run_stage(config, stage, str(path), options))
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
    lines = said(log)
    if code not in (0, INCONCLUSIVE):
        errors = [line for line in lines if line.startswith("error: ")]
        reason = errors[-1].removeprefix("error: ") if errors else f"exit code {code}; see {log}"
        raise StageFailed(f"{stage.name}: {reason}", code)
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


if __name__ == "__main__":
    run_command(main)
