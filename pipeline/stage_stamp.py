"""Whether a stage is up to date: stamps of its inputs and outputs from its last successful run.

Inputs are the settings that the stage uses, the files that it reads and the source that it runs.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from config.checkout import ROOT
from config.schema import Config
from data.atomic_write import write_text
from data.jsonl import read_stored_record
from data.records import Record, digest
from data.run_paths import RunPaths
from pipeline.stages import Stage

# begun: it has written something, but has not ended, or was run by itself · outdated: settings or
# files that it reads have changed since
StageState = Literal["done", "begun", "not run", "outdated"]

_OTHER_PACKAGES = {"tests", "benchmarks", "unprompted"}  # no stage imports them
_LAST_ROOMS = {"report", "pipeline"}  # only their own stages import them


class StageInputs(NamedTuple):
    """Digests of a stage's inputs."""

    total: str  # of all inputs, the source included
    work: str  # of settings, input files and command


class StageStamp(Record):
    """The state of a stage after its last successful run."""

    inputs: str  # StageInputs.total
    work: str  # StageInputs.work
    outputs: str  # digest of the output files
    seconds: float  # of the longest run with the same `work`


def stage_inputs(stage: Stage, config: Config) -> StageInputs:
    """Digests of everything that a stage's output depends on."""
    values = config.model_dump(mode="json", include=set(stage.settings))
    work = digest([values, contents_digest(stage.reads), stage.command, stage.extra])
    # Rooms import each other, so a stage depends on the source of all but the last ones. A needless
    # rerun is cheap: answers are found by their keys, students by their settings.
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - _OTHER_PACKAGES
    rooms = packages - (_LAST_ROOMS - {stage.command[0].split(".")[0]})
    files = (path for room in rooms for path in (ROOT / room).rglob("*"))
    source = [path for path in files if path.suffix in (".py", ".j2")]
    return StageInputs(digest([work, contents_digest(source)]), work)


def contents_digest(paths: Iterable[Path]) -> str:
    """Digest of the files' bytes and of all files in folders; missing files count as such."""
    digests: list[tuple[str, str | None]] = []
    for path in sorted(paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                with file.open("rb") as opened:  # weights may be larger than memory
                    digests.append((str(file), hashlib.file_digest(opened, "sha256").hexdigest()))
            elif not file.exists():
                digests.append((str(file), None))
    return digest(digests)


def is_up_to_date(run: RunPaths, stage: Stage, inputs: StageInputs) -> bool:
    """Whether the stage's last successful run had these inputs and its outputs are unchanged."""
    stamp = _read_stamp(run, stage)
    if stamp is None or stamp.inputs != inputs.total:
        return False
    return stamp.outputs == contents_digest(stage.writes)


def write_stamp(run: RunPaths, stage: Stage, inputs: StageInputs, seconds: float) -> None:
    """Records a successful run.

    A rerun after a change of source alone finds its answers and students and takes seconds, so the
    longest time is kept: it is the cost of the result.
    """
    last = _read_stamp(run, stage)
    if last is not None and last.work == inputs.work:
        seconds = max(seconds, last.seconds)
    stamp = StageStamp(
        inputs=inputs.total,
        work=inputs.work,
        outputs=contents_digest(stage.writes),
        seconds=round(seconds, 1),
    )
    write_text(_stamp_path(run, stage), stamp.model_dump_json() + "\n")


def stage_seconds(run: RunPaths, stages: Sequence[Stage]) -> dict[str, float]:
    """Seconds of work per stage name, for stages that have run."""
    stamps = {stage.name: _read_stamp(run, stage) for stage in stages}
    return {name: stamp.seconds for name, stamp in stamps.items() if stamp is not None}


def stage_state(run: RunPaths, stage: Stage, config: Config) -> StageState:
    """How far a stage is, whatever the source: a rerun after its change makes the same result."""
    stamp = _read_stamp(run, stage)
    if stamp is None:
        return "begun" if any(path.exists() for path in stage.writes) else "not run"
    return "done" if stamp.work == stage_inputs(stage, config).work else "outdated"


def _read_stamp(run: RunPaths, stage: Stage) -> StageStamp | None:
    return read_stored_record(_stamp_path(run, stage), StageStamp)


def _stamp_path(run: RunPaths, stage: Stage) -> Path:
    return run.root / "stages" / f"{stage.name.replace(' ', '_')}.json"
