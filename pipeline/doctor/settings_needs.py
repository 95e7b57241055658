"""What an experiment needs: its files, models, GPU, packages, keys and servers.

Reads the settings, the prompt and the rules; of logs and weights it looks only whether they are
there.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from config.backends import OpenAiBackend, RayBackend, RemoteBackend
from config.errors import SetupError, UnpromptedError
from config.judging import ServerSettings
from config.schema import Config
from config.tracker_check import check_trackers
from data.readers.hub_dataset import is_hub_dataset
from engine.check_hub import is_hub_id
from engine.embedded import EMBEDDED
from pipeline.doctor.finding import Finding
from pipeline.doctor.torch_device import TorchDevice
from prompts.prompt_file import load_prompt
from student.requirements import find_faults


def settings_findings(config: Config, device: TorchDevice | None) -> Iterator[Finding]:
    """All findings but those of `requirement_findings`. `device` None: torch cannot be asked."""
    yield from _prompt_findings(config)
    yield from _file_findings(config)
    yield from _model_findings(config)
    yield from _dtype_findings(config, device)
    yield from _engine_findings(config)
    yield from _tracker_findings(config)


def requirement_findings(config: Config) -> list[Finding]:
    """What a run would refuse before it begins: methods, arms, models of the hub, servers, keys.

    Takes some seconds for each server that does not answer.
    """
    faults = find_faults(config)
    if not faults:
        return [Finding("ok", "needs", "devices, arms, models, servers and keys are there")]
    return [Finding("problem" if f.refuses else "warning", "needs", f.message) for f in faults]


def key_names(config: Config) -> tuple[str, ...]:
    """The environment variables that the settings name."""
    servers = (config.teacher.engine, config.judge.llm, config.judge.second)
    names = [s.api_key_env for s in servers if isinstance(s, ServerSettings | OpenAiBackend)]
    return tuple(dict.fromkeys(filter(None, names)))


def _prompt_findings(config: Config) -> Iterator[Finding]:
    try:
        prompt, rules = load_prompt(config.prompt, Path())
    except (UnpromptedError, OSError) as error:
        yield Finding("problem", "prompt", str(error))
        return
    must = len(rules.must_rules)
    text = (
        f"{len(prompt.system)} characters, {len(rules.scored_rules())} rules, {must} of them must"
    )
    yield Finding("ok", "prompt", text)


def _file_findings(config: Config) -> Iterator[Finding]:
    """Logs, banks of questions and questions for retention."""
    data = config.data
    logs = {"train": data.train, "val": data.val, "hidden": data.hidden}
    paths = {f"data.{name}.path": log.path for name, log in logs.items() if log is not None}
    if config.probes is not None and config.probes.bank is not None:
        paths["probes.bank"] = config.probes.bank
    for number, student in enumerate(config.students):
        if student.retention is not None:
            paths[f"students.{number}.retention.questions"] = student.retention.questions
    paths = {name: path for name, path in paths.items() if not _is_dataset_id(path)}
    missing = {name: path for name, path in paths.items() if not Path(path).exists()}
    for name, path in missing.items():
        text = f"{path}: no such file"
        yield Finding("problem", name, text, f"correct the path; it is relative to {Path.cwd()}")
    if not missing:
        megabytes = sum(Path(path).stat().st_size for path in paths.values()) / 1e6
        yield Finding("ok", "files", f"{len(paths)} files, {megabytes:.1f} MB")


def _is_dataset_id(path: str) -> bool:
    """Whether a path may be the id of a dataset on the hub, which `requirement_findings` asks."""
    return is_hub_dataset(path) and not Path(path).exists()


def _model_findings(config: Config) -> Iterator[Finding]:
    """Folders of models; `requirement_findings` asks the hub for the others."""
    for setting, name in (
        ("model.name", config.model.name),
        ("teacher.model", config.teacher.model),
    ):
        if name is None or is_hub_id(name):
            continue
        folder = Path(name).expanduser()
        if name == EMBEDDED or list(folder.glob("*.safetensors")):
            yield Finding("ok", setting, f"{name} is here")
        elif folder.is_dir():
            text = f"{folder}: no *.safetensors there"
            yield Finding("problem", setting, text, "name another folder")
        else:
            way_out = "name a folder with config.json, the tokenizer and *.safetensors, or a hub id"
            yield Finding("problem", setting, f"{name}: no such folder", way_out)


def _dtype_findings(config: Config, device: TorchDevice | None) -> Iterator[Finding]:
    """Whether the device multiplies the number type."""
    if device is None:
        return
    has_gpu, dtype = bool(device.gpus), config.model.dtype
    if (dtype == "float16" and not has_gpu) or (
        dtype == "bfloat16" and has_gpu and not device.bfloat16
    ):
        text = f"{dtype}: this machine does not multiply it"
        yield Finding("problem", "model.dtype", text, "set model.dtype: auto")


def _engine_findings(config: Config) -> Iterator[Finding]:
    engine = config.teacher.engine
    if isinstance(engine, RayBackend) and importlib.util.find_spec("ray") is None:
        yield Finding(
            "problem", "teacher.engine", "ray is not installed", "install the extra `ray`"
        )
    if isinstance(engine, RemoteBackend):
        yield Finding("ok", "teacher.engine", f"{engine.kind}: {engine.model}")


def _tracker_findings(config: Config) -> Iterator[Finding]:
    try:
        check_trackers(config)
    except SetupError as error:
        text, _, way_out = str(error).removeprefix("report_to: ").partition("; ")
        yield Finding("problem", "report_to", text, way_out)
