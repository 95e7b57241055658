"""The stages in their order: the command of each, the settings it uses, its input and output files.

Knows no stage's work. `pipeline.stage_stamp` decides whether a stage is up to date.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from config.checkout import ROOT
from config.log_formats import AutoLogs
from config.schema import Config
from data.answers import top_logprobs_path, verdicts_path
from data.readers.log_files import watched_files
from data.records import digest
from data.run_paths import RunPaths


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline."""

    name: str
    command: tuple[str, ...]  # module and action; the config's path goes between them
    settings: tuple[str, ...]  # top-level settings that its output depends on
    reads: tuple[Path, ...]  # input files; a missing file counts as an input too
    writes: tuple[Path, ...]  # output files and folders
    extra: str = ""  # any other input, as text


def pipeline_stages(config: Config, commit: str) -> list[Stage]:
    """All stages of an experiment. `commit`: of the checkout, recorded in the manifest."""
    files = _StageFiles(config)
    return [
        *_data_stages(config, files, commit),
        *_teacher_stages(config, files),
        *_student_stages(config, files),
        *_judge_stages(config, files),
        _report_stage(files),
    ]


class _StageFiles:
    """Files that several stages share."""

    def __init__(self, config: Config) -> None:
        run = self.run = RunPaths.of(config)
        prompt = (config.prompt.system, config.prompt.rules, config.prompt.examples)
        self.prompts = tuple(Path(path) for path in prompt if path is not None)
        self.splits = (run.split("train"), run.split("val"))
        self.training = self.splits if config.probes is None else (*self.splits, run.probes)
        train, val, base = (run.answers(f"candidates/{name}") for name in ("train", "val", "base"))
        self.candidates = (train, val, base, *map(verdicts_path, (train, val, base)))
        self.top_logprobs = (top_logprobs_path(train), top_logprobs_path(val))
        self.teacher = (run.answers("teacher"), run.answers("scored/teacher"))
        students = [student.name for student in config.students]
        self.results = tuple(run.student(name) / "result.json" for name in students)
        self.metrics = tuple(run.student(name) / "metrics.jsonl" for name in students)
        self.adapters = tuple(run.student(name) / "adapter" for name in students)
        arms = [*(f"student/{name}" for name in students), "base"]
        self.answers = tuple(
            run.answers(f"{kind}{arm}") for kind in ("", "scored/") for arm in arms
        )
        prompted = tuple(run.answers(f"student/{name}+prompt") for name in students)
        self.judged = (*self.teacher, *self.answers, *prompted, *self.results)
        self.hidden_answers = tuple(run.answers(f"hidden/{arm}") for arm in ("base", *students))


def _data_stages(config: Config, files: _StageFiles, commit: str) -> list[Stage]:
    run, data = files.run, config.data
    sources = [source for source in (data.train, data.val, data.hidden) if source is not None]
    logs = tuple(path for source in sources for path in watched_files(source, Path()))
    # recognised logs are compared with the prompt, which is taken out of them
    is_recognised = any(isinstance(source, AutoLogs) for source in sources)
    return [
        Stage(
            "data",
            ("pipeline.prepare_data",),
            ("data", "seed", *["prompt"] * is_recognised),
            (*logs, *(files.prompts if is_recognised else ())),
            (*files.splits, run.quality),
        ),
        Stage(
            "manifest",
            ("pipeline.manifest",),
            tuple(Config.model_fields),
            (run.split("train"), *files.prompts),
            (run.manifest,),
            commit,
        ),
    ]


def _teacher_stages(config: Config, files: _StageFiles) -> list[Stage]:
    run, teacher = files.run, config.teacher
    model = _weights_stat(config.model.name)
    # the judge's settings and replies matter here only if it judges the candidates
    judge, calls = (("judge",), (run.teacher_calls,)) if teacher.score_with_llm else ((), ())
    stages = [
        Stage(
            "teacher generate",
            ("teacher", "generate"),
            ("model", "teacher", "predict", "prompt", "seed", *judge),
            (*files.training, *files.prompts),
            (*files.candidates, *files.top_logprobs, *files.teacher, *calls),
            model + (_weights_stat(teacher.model) if teacher.model else ""),
        ),
        Stage(
            "teacher select",
            ("teacher", "select"),
            ("teacher", "prompt", *judge),
            (*files.training, *files.prompts, *files.candidates, *calls),
            (run.selected, run.selected_val, run.audit),
        ),
    ]
    if config.probes is None:
        return stages
    bank = config.probes.bank
    banks = [Path(bank)] if bank else sorted((ROOT / "prompts/probes").glob("*.yaml"))
    probes = Stage(
        "teacher probes",
        ("teacher", "probes"),
        ("probes", "data", "prompt", "seed", "model"),
        (*files.splits, run.split("hidden"), *files.prompts, *banks),
        (run.probes, run.probe_counts),
        model,
    )
    return [probes, *stages]


def _student_stages(config: Config, files: _StageFiles) -> list[Stage]:
    run, model = files.run, _weights_stat(config.model.name)
    learnt = (run.selected, run.selected_val, *files.top_logprobs)
    return [
        Stage(
            "student train",
            ("student", "train"),
            ("model", "students", "predict", "prompt", "seed", "report_to"),
            (*files.training, *files.prompts, *learnt),
            (*files.results, *files.metrics, *files.adapters),
            model,
        ),
        Stage(
            "student predict",
            ("student", "predict"),
            ("model", "students", "predict", "prompt", "seed", "data"),
            (*files.splits, run.split("hidden"), *files.prompts, *files.results),
            (
                *(*files.answers, files.hidden_answers[0]),
                *(run.choice, run.best / "adapter", run.best / "merged", run.chat_template),
            ),
            model,
        ),
    ]


def _judge_stages(config: Config, files: _StageFiles) -> list[Stage]:
    """Calibration by code, and scoring. A server's calibration takes thousands of calls, so the
    user starts it: `unprompted judge CONFIG calibrate`.
    """
    run = files.run
    settings = ("judge", "prompt", "model", "students", "seed", "probes")
    inputs = (*files.prompts, *files.metrics, run.audit, run.choice, run.calibration, run.labels)
    calibrate = Stage(
        "judge calibrate",
        ("judge", "calibrate", "--code"),
        ("prompt", "seed"),
        (*files.splits, *files.prompts, *files.judged, run.labels),
        (run.calibration,),
    )
    score = Stage(
        "judge score",
        ("judge", "score"),
        (*settings, "predict"),
        (run.split("val"), *files.judged, *inputs, run.search),
        (run.verdicts, run.rules, run.scores),
    )
    hidden = Stage(
        "judge hidden",
        ("judge", "score", "--split", "hidden"),
        settings,
        (run.split("hidden"), *files.hidden_answers, *files.results, *inputs),
        (run.hidden_verdicts, run.hidden_scores),
    )
    stages = [calibrate, score] if config.judge.llm in ("none", "embedded") else [score]
    if config.data.hidden is not None:
        stages.append(hidden)
    # each of these commands writes the summary anew, so it is an output of the last one
    return [*stages[:-1], replace(stages[-1], writes=(*stages[-1].writes, run.summary))]


def _report_stage(files: _StageFiles) -> Stage:
    run = files.run
    return Stage(
        "report",
        ("report",),
        tuple(Config.model_fields),
        (
            *(run.scores, run.verdicts, run.summary, run.calibration, run.quality, run.audit),
            *(run.manifest, run.choice, run.search, *files.metrics, *files.splits),
            *(*files.prompts, *files.judged, run.best / "adapter" / "adapter_config.json"),
            *(run.best / "merged" / "config.json", run.chat_template, run.timings),
        ),
        tuple(run.report(suffix) for suffix in ("html", "md", "json")),
    )


def _weights_stat(model: str) -> str:
    """A digest of names, sizes and times of a folder of weights, which may be gigabytes.

    "" for the embedded model and for a hub id.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return ""
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])
