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
from data.stage_times import StageTimes
from pipeline.stages import Stage

# begun: it has written something, but has not ended, or was run by itself · outdated: settings or
# files that it reads have changed since
StageState = Literal["done", "begun", "not run", "outdated"]

_OTHER_PACKAGES = {"tests", "benchmarks", "unprompted"}  # no stage imports them
_BLOCK = 1 << 20  # bytes read at once
_LAST_ROOMS = {"report", "pipeline"}  # only their own stages import them


class StageInputs(NamedTuple):
    """Digests of a stage's inputs."""

    total: str  # of all inputs, the source included
    work: str  # of settings, input files and command


class StampedFile(Record):
    """An output file as a run left it."""

    path: str
    size: int
    sha256: str


class StageStamp(Record):
    """The state of a stage after its last successful run."""

    inputs: str  # StageInputs.total
    work: str  # StageInputs.work
    outputs: str  # digest of the output files
    seconds: float  # that the result cost, over the runs that made it
    last_seconds: float | None = None  # of the last run; None: in stamps of before it was recorded
    files: tuple[StampedFile, ...] = ()  # the output files; empty: as above

    @property
    def reused(self) -> bool:
        """Whether the last run found work of an earlier one."""
        return self.last_seconds is not None and self.last_seconds < self.seconds


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
    return digest(_file_digests(paths))


def _file_digests(paths: Iterable[Path]) -> list[tuple[str, str | None]]:
    """Path and hash of each file, in order; None for a missing one."""
    digests: list[tuple[str, str | None]] = []
    for path in sorted(paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                with file.open("rb") as opened:  # weights may be larger than memory
                    digests.append((str(file), hashlib.file_digest(opened, "sha256").hexdigest()))
            elif not file.exists():
                digests.append((str(file), None))
    return digests


def is_up_to_date(run: RunPaths, stage: Stage, inputs: StageInputs) -> bool:
    """Whether the stage's last successful run had these inputs and its outputs are unchanged."""
    stamp = _read_stamp(run, stage)
    if stamp is None or stamp.inputs != inputs.total:
        return False
    return stamp.outputs == contents_digest(stage.writes)


def write_stamp(run: RunPaths, stage: Stage, inputs: StageInputs, seconds: float) -> None:
    """Records a successful run, and what its result cost.

    A rerun on the same work finds its answers and students and takes seconds, so the longest time
    is kept. After other changes it may find a part: files that are as before, or that have only
    grown. Their share of the earlier cost, by size, is added.
    """
    last, digests = _read_stamp(run, stage), _file_digests(stage.writes)
    cost = seconds
    if last is not None and last.work == inputs.work:
        cost = max(seconds, last.seconds)
    elif last is not None:
        if digest(digests) == last.outputs:
            cost = max(seconds, last.seconds)
        else:
            cost += last.seconds * _reused_share(last.files)
    stamp = StageStamp(
        inputs=inputs.total,
        work=inputs.work,
        outputs=digest(digests),
        seconds=round(cost, 1),
        last_seconds=round(seconds, 1),
        files=tuple(
            StampedFile(path=path, size=Path(path).stat().st_size, sha256=sha256)
            for path, sha256 in digests
            if sha256 is not None
        ),
    )
    write_text(_stamp_path(run, stage), stamp.model_dump_json() + "\n")


def _reused_share(files: Sequence[StampedFile]) -> float:
    """The share of the files' bytes, as a stamp names them, that are still there."""
    reused = sum(file.size for file in files if _is_reused(file))
    return reused / (sum(file.size for file in files) or 1)


def _is_reused(file: StampedFile) -> bool:
    """Whether a file begins with all that it was at the stamp: answers are added at its end."""
    path = Path(file.path)
    if not path.is_file() or path.stat().st_size < file.size:
        return False
    hashed, left = hashlib.sha256(), file.size
    with path.open("rb") as opened:
        while left:
            block = opened.read(min(left, _BLOCK))
            hashed.update(block)
            left -= len(block)
    return hashed.hexdigest() == file.sha256


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


def stage_times(run: RunPaths, stages: Sequence[Stage]) -> StageTimes:
    """What each stage's result cost, for stages that have run, and which of them reused work."""
    stamps = {stage.name: _read_stamp(run, stage) for stage in stages}
    reused = (name for name, stamp in stamps.items() if stamp is not None and stamp.reused)
    return StageTimes(seconds=stage_seconds(run, stages), reused=tuple(reused))


def _read_stamp(run: RunPaths, stage: Stage) -> StageStamp | None:
    return read_stored_record(_stamp_path(run, stage), StageStamp)


def _stamp_path(run: RunPaths, stage: Stage) -> Path:
    return run.root / "stages" / f"{stage.name.replace(' ', '_')}.json"
