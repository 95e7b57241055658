"""The stages in their order: what each one reads and writes, and the command that runs it.

A stage is skipped when the settings it uses, the files it reads, the source it runs and the files
it left are all as they were when it last ended.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from config.checkout import ROOT
from config.schema import Config
from data.answers import top_logprobs_path
from data.atomic_write import write_text
from data.jsonl import read_record
from data.records import Record, digest
from data.run_paths import RunPaths

ROOMS = (
    "config",
    "data",
    "prompts",
    "wire",
    "engine",
    "teacher",
    "student",
    "judge",
    "report",
    "pipeline",
)
LAST_ROOMS = ("report", "pipeline")  # no other room uses these


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline."""

    name: str
    command: tuple[str, ...]  # module and action; the config's path comes between them
    settings: tuple[str, ...]  # top-level settings that decide its result
    reads: tuple[Path, ...]  # files; those that are not there count as absent
    writes: tuple[Path, ...]  # files and folders that it leaves
    extra: str = ""  # anything else that its result depends on


class Inputs(NamedTuple):
    """What decides a stage's result, as hashes."""

    every: str  # the work, and the source that does it
    work: str  # settings, files that are read, command


class Stamp(Record):
    """What a stage was when it last ended well."""

    inputs: str
    work: str = ""  # a stamp of old has none
    outputs: str
    seconds: float  # of the longest run on this work: a shorter one found it done already


def stages(config: Config, commit: str) -> list[Stage]:
    """All stages of an experiment; the hidden set is judged where there is one."""
    run = RunPaths.of(config)
    prompt = [config.prompt.system, config.prompt.rules, config.prompt.examples]
    prompts = tuple(Path(path) for path in prompt if path is not None)
    logs = [config.data.train, config.data.val, config.data.hidden]
    sources = tuple(Path(one.path) for one in logs if one is not None)
    splits = (run.split("train"), run.split("val"))
    training = splits if config.probes is None else (*splits, run.probes)
    names = [student.name for student in config.students]
    candidates = (run.answers("candidates/train"), run.answers("candidates/val"))
    topk = tuple(map(top_logprobs_path, candidates))
    of_base = run.answers("candidates/base")  # to train
    # of the candidates, where the model judges them too
    judge, calls = (("judge",), (run.teacher_calls,)) if config.teacher.judged else ((), ())
    results = tuple(run.student(name) / "result.json" for name in names)
    metrics = tuple(run.student(name) / "metrics.jsonl" for name in names)
    val_arms = [*(f"student/{name}" for name in names), "base"]
    answers = tuple(run.answers(f"{kind}{arm}") for kind in ("", "scored/") for arm in val_arms)
    teacher = (run.answers("teacher"), run.answers("scored/teacher"))
    hidden = tuple(run.answers(f"hidden/{arm}") for arm in ("base", *names))
    adapters = tuple(run.student(name) / "adapter" for name in names)
    model = _stat_of(config.model.name)
    return [
        Stage(
            "data",
            ("pipeline.prepare_data",),
            ("data", "seed"),
            sources,
            (*splits, run.quality),
        ),
        Stage(
            "manifest",
            ("pipeline.manifest",),
            tuple(Config.model_fields),
            prompts,
            (run.manifest,),
            commit,
        ),
        *_probe_stages(config, prompts),
        Stage(
            "teacher generate",
            ("teacher", "generate"),
            ("model", "teacher", "predict", "prompt", "seed", *judge),
            (*training, *prompts),
            (*candidates, *topk, *teacher, of_base, *calls),
            model + (_stat_of(config.teacher.model) if config.teacher.model else ""),
        ),
        Stage(
            "teacher select",
            ("teacher", "select"),
            ("teacher", "prompt", *judge),
            (*training, *prompts, *candidates, of_base, *calls),
            (run.selected, run.selected_val, run.audit),
        ),
        Stage(
            "student train",
            ("student", "train"),
            ("model", "students", "predict", "prompt", "seed", "wandb", "trackio"),
            (*training, *prompts, run.selected, run.selected_val, *topk),
            (*results, *metrics, *adapters),
            model,
        ),
        Stage(
            "student predict",
            ("student", "predict"),
            ("model", "students", "predict", "prompt", "seed", "data"),
            (*splits, run.split("hidden"), *prompts, *results),
            (*answers, hidden[0], run.choice, run.best / "adapter", run.best / "merged"),
            model,
        ),
        *_calibration_stages(config, prompts),
        Stage(
            "judge score",
            ("judge", "score"),
            ("judge", "prompt", "model", "students", "seed"),
            (
                *(run.split("val"), *prompts, *teacher, *answers),
                *(run.choice, run.calibration),
            ),
            (run.verdicts, run.rules, run.scores),
        ),
        *_hidden_stages(config, prompts, hidden),
        Stage(
            "report",
            ("report",),
            tuple(Config.model_fields),
            (
                *(run.scores, run.verdicts, run.quality, run.audit, run.choice, *metrics),
                *(run.hidden_scores, run.hidden_verdicts, run.calibration, run.labels),
                *(*splits, run.split("hidden"), run.answers("teacher"), *answers, *hidden),
                run.search,
            ),
            tuple(run.report(suffix) for suffix in ("html", "md", "json")),
        ),
    ]


def _probe_stages(config: Config, prompts: tuple[Path, ...]) -> list[Stage]:
    """Rows for rules that the logs hardly touch, where they are asked for."""
    run, probes = RunPaths.of(config), config.probes
    if probes is None:
        return []
    banks = [Path(probes.bank)] if probes.bank else (ROOT / "prompts/probes").glob("*.yaml")
    return [
        Stage(
            "teacher probes",
            ("teacher", "probes"),
            ("probes", "data", "prompt", "seed", "model"),
            (run.split("train"), run.split("val"), run.split("hidden"), *prompts, *sorted(banks)),
            (run.probes, run.probe_counts),
            _stat_of(config.model.name),
        )
    ]


def _calibration_stages(config: Config, prompts: tuple[Path, ...]) -> list[Stage]:
    """The code rules against people's labels: seconds. A judging server's calibration asks it
    thousands of questions, so its owner starts that: `python -m judge CONFIG calibrate`.
    """
    run = RunPaths.of(config)
    if config.judge.llm not in ("none", "embedded"):
        return []
    return [
        Stage(
            "judge calibrate",
            ("judge", "calibrate", "--code"),
            ("prompt", "seed"),
            (run.split("train"), run.split("val"), *prompts),
            (run.calibration,),
        )
    ]


def _hidden_stages(
    config: Config, prompts: tuple[Path, ...], answers: tuple[Path, ...]
) -> list[Stage]:
    run = RunPaths.of(config)
    if config.data.hidden is None:
        return []
    return [
        Stage(
            "judge hidden",
            ("judge", "score", "--split", "hidden"),
            ("judge", "prompt", "model", "students", "seed"),
            (
                *(run.split("hidden"), *prompts, *answers, run.choice),
                run.calibration,
            ),
            (run.hidden_verdicts, run.hidden_scores),
        )
    ]


def inputs_of(stage: Stage, config: Config) -> Inputs:
    """Hashes of everything that decides a stage's result."""
    values = config.model_dump(mode="json", include=set(stage.settings))
    # Rooms use each other, so a stage depends on the source of all but the last two. Running one
    # again for nothing is cheap: answers are found by their keys, students by their settings.
    own = stage.command[0].split(".")[0]
    rooms = [room for room in ROOMS if room not in LAST_ROOMS or room == own]
    files = [path for room in rooms for path in (ROOT / room).rglob("*")]
    source = [path for path in files if path.suffix in (".py", ".j2")]
    work = digest([values, contents(stage.reads), stage.command, stage.extra])
    return Inputs(digest([work, contents(source)]), work)


def contents(paths: Iterable[Path]) -> str:
    """Hash of the files' bytes and of all files in the folders; absent ones count as such."""
    found: list[tuple[str, str | None]] = []
    for path in sorted(paths):
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                with file.open("rb") as opened:  # a model's weights may be larger than the memory
                    found.append((str(file), hashlib.file_digest(opened, "sha256").hexdigest()))
            elif not file.exists():
                found.append((str(file), None))
    return digest(found)


def stamp_path(run: RunPaths, stage: Stage) -> Path:
    """Where a stage's stamp lies."""
    return run.root / "stages" / f"{stage.name.replace(' ', '_')}.json"


def is_done(run: RunPaths, stage: Stage, inputs: Inputs) -> bool:
    """Whether the stage ended well on these inputs, and what it left is untouched."""
    last = _stamped(run, stage)
    if last is None:
        return False
    return last.inputs == inputs.every and last.outputs == contents(stage.writes)


def stamp(run: RunPaths, stage: Stage, inputs: Inputs, seconds: float) -> None:
    """Notes that a stage has ended well.

    Answers are found by their keys and students by their settings, so a changed source alone makes
    a run of seconds out of one of minutes: the longer time stays, it is what the result cost.
    """
    last = _stamped(run, stage)
    if last is not None and last.work == inputs.work:
        seconds = max(seconds, last.seconds)
    made = Stamp(
        inputs=inputs.every,
        work=inputs.work,
        outputs=contents(stage.writes),
        seconds=round(seconds, 1),
    )
    write_text(stamp_path(run, stage), made.model_dump_json() + "\n")


def seconds_of(run: RunPaths, all_stages: Sequence[Stage]) -> dict[str, float]:
    """How long the work of each stage took."""
    stamps = {stage.name: _stamped(run, stage) for stage in all_stages}
    return {name: last.seconds for name, last in stamps.items() if last is not None}


def _stamped(run: RunPaths, stage: Stage) -> Stamp | None:
    path = stamp_path(run, stage)
    return read_record(path, Stamp) if path.exists() else None


def _stat_of(model: str) -> str:
    """Tells a changed folder of weights without reading gigabytes; "" for the embedded or a hub."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return ""
    stats = [(path.name, os.stat(path)) for path in sorted(folder.iterdir()) if path.is_file()]
    return digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])
