"""What an experiment needs: its files, models, GPU, packages, keys and servers.

Reads the settings, the prompt and the rules; of logs and weights it looks only whether they are
there.
"""

import importlib.util
import os
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from config.backends import OpenAiBackend, RayBackend, RemoteBackend
from config.errors import UnpromptedError
from config.judging import ServerSettings
from config.schema import Config
from pipeline.doctor.finding import Finding
from pipeline.doctor.torch_device import TorchDevice
from prompts.prompt_file import load_prompt


def settings_findings(
    config: Config, device: TorchDevice | None, downloads: bool
) -> Iterator[Finding]:
    """All findings but those of servers. `device` None: torch cannot be asked; `downloads`: the
    hub can be reached, or need not be."""
    yield from _prompt_findings(config)
    yield from _file_findings(config)
    yield from _model_findings(config, downloads)
    yield from _method_findings(config, device)
    yield from _engine_findings(config)
    yield from _tracker_findings(config)


def configured_servers(config: Config) -> Iterator[tuple[str, ServerSettings | OpenAiBackend]]:
    """The servers of the settings, each with the setting that names it."""
    if isinstance(config.teacher.engine, OpenAiBackend):
        yield "teacher.engine", config.teacher.engine
    if isinstance(config.judge.llm, ServerSettings):
        yield "judge.llm", config.judge.llm
    if config.judge.second is not None:
        yield "judge.second", config.judge.second


def key_names(config: Config) -> tuple[str, ...]:
    """The environment variables that the settings name."""
    names = [server.api_key_env for _, server in configured_servers(config)]
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
    """Whether a path may be the id of a data set on the hub, which is not asked for it."""
    is_id = re.fullmatch(r"[\w-]+/[\w.-]+", path) and not Path(path).suffix
    return bool(is_id) and not Path(path).exists() and not Path(path).parent.is_dir()


def _model_findings(config: Config, downloads: bool) -> Iterator[Finding]:
    models = {"model.name": (config.model.name, config.model.revision)}
    if config.teacher.model is not None:
        models["teacher.model"] = (config.teacher.model, config.teacher.revision)
    for setting, (name, revision) in models.items():
        yield _model_finding(setting, name, revision, downloads)


def _model_finding(setting: str, name: str, revision: str | None, downloads: bool) -> Finding:
    """Whether a model is here, or would be downloaded."""
    folder = Path(name).expanduser()
    if name == "embedded":
        return Finding("ok", setting, "embedded")
    if folder.is_dir():
        if list(folder.glob("*.safetensors")):
            return Finding("ok", setting, f"{folder} is here")
        return Finding(
            "problem", setting, f"{folder}: no *.safetensors there", "name another folder"
        )
    if folder.is_file() or name.startswith((".", "/", "~")):
        way_out = "name a folder with config.json, the tokenizer and *.safetensors, or a hub id"
        return Finding("problem", setting, f"{name}: no such folder", way_out)
    from huggingface_hub import constants, try_to_load_from_cache

    try:
        cached = isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
    except ValueError as error:
        return Finding("problem", setting, f"{name}: {error}", "give a hub id or a folder")
    if cached:
        return Finding("ok", setting, f"{name} is in the cache")
    if constants.HF_HUB_OFFLINE or not downloads:
        reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub is not reachable"
        text = f"{name} is not in the cache, and {reason}"
        return Finding("problem", setting, text, "go online, or name a folder")
    return Finding("ok", setting, f"{name} will be downloaded from the hub")


def _method_findings(config: Config, device: TorchDevice | None) -> Iterator[Finding]:
    """What students and number types need of the device."""
    has_gpu = device is not None and bool(device.gpus)
    for student in config.students:
        if student.method.kind != "qlora":
            continue
        missing = [] if has_gpu else ["a CUDA device"]
        missing += [] if importlib.util.find_spec("bitsandbytes") else ["bitsandbytes"]
        if missing:
            text = f"method qlora needs {' and '.join(missing)}"
            way_out = "use method lora, or a GPU machine with the extra `gpu`"
            yield Finding("problem", f"student {student.name}", text, way_out)
    if device is None:
        return
    dtype = config.model.dtype
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
    if config.trackio is not None and not _is_installed("trackio"):
        way_out = "install the extra `trackio`, or remove trackio"
        yield Finding("problem", "trackio", "is not installed", way_out)
    wandb = config.wandb
    if wandb is None or wandb.mode == "offline":
        return
    netrc = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not os.environ.get("WANDB_API_KEY") and not netrc.exists():
        text = "mode online needs a key, and neither WANDB_API_KEY nor a .netrc is there"
        yield Finding("problem", "wandb", text, "run `wandb login`, or set wandb.mode: offline")


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
