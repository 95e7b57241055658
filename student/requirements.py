"""What the settings need from outside: a GPU, keys, servers, models of the hub, and known arms.

Checked before anything is paid for, without loading a model or torch where no setting needs it.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from config.backends import OpenAiBackend
from config.errors import SetupError
from config.judging import ServerSettings
from config.log_formats import AutoLogs
from config.peft_methods import LoraMethod
from config.schema import Config
from data.readers.hub_dataset import hub_dataset_fault
from data.run_paths import RunPaths
from data.stored_file import is_stored
from engine.check_hub import find_on_hub, is_cached, is_hub_id
from engine.check_server import check_server
from engine.precision import has_gpu


class RequirementFault(NamedTuple):
    """Something that the settings name and that is not there."""

    message: str  # setting, value and way out
    refuses: bool  # False: a warning, since a run may work all the same
    may_appear: bool = False  # a server that may be started before the run


def check_requirements(config: Config) -> list[str]:
    """The warnings of a run. Raises SetupError, with every fault that ends it, before it begins."""
    faults = find_faults(config)
    refuse([fault.message for fault in faults if fault.refuses])
    return [fault.message for fault in faults]


def refuse(messages: list[str]) -> None:
    """Raises SetupError with all messages, if there are any."""
    if messages:
        raise SetupError("; also: ".join(messages))


def find_faults(config: Config) -> list[RequirementFault]:
    """Everything that is missing. Takes at most a few seconds for each server."""
    local = [RequirementFault(message, True) for message in local_faults(config)]
    return [*local, *_hub_faults(config), *_log_faults(config), *_server_faults(config)]


def local_faults(config: Config) -> list[str]:
    """What this machine and the settings alone tell: methods without their device, unknown arms."""
    return [*device_faults(config), *_arm_faults(config)]


def known_arms(config: Config) -> list[str]:
    """The arms that a run of these settings has."""
    students = [f"student/{student.name}" for student in config.students]
    return ["base", "teacher", *students, *(f"{student}+prompt" for student in students)]


def device_faults(config: Config) -> Iterator[str]:
    """The methods that this machine cannot train."""
    for student in config.students:
        if not isinstance(student.method, LoraMethod) or student.method.kind != "qlora":
            continue
        if not has_gpu():
            yield (
                f"student {student.name}: method qlora needs a GPU with CUDA, and there is none "
                "here; set method.kind: lora, or run on a machine with one"
            )
        elif importlib.util.find_spec("bitsandbytes") is None:
            yield (
                f"student {student.name}: method qlora needs bitsandbytes; run "
                "`pip install bitsandbytes`, or set method.kind: lora"
            )


def _arm_faults(config: Config) -> Iterator[str]:
    known = known_arms(config)
    for arm in config.judge.arms or ():
        if arm not in known:
            yield f"judge.arms: there is no arm {arm!r}; the arms are {', '.join(known)}"


def _hub_faults(config: Config) -> Iterator[RequirementFault]:
    names = {
        "model.name": (config.model.name, config.model.revision),
        "teacher.model": (config.teacher.model, config.teacher.revision),
    }
    for setting, (name, revision) in names.items():
        if name is None or not is_hub_id(name) or is_cached(name, revision):
            continue
        try:
            find_on_hub(setting, name, revision)
        except SetupError as error:
            yield RequirementFault(str(error), True)


def _log_faults(config: Config) -> Iterator[RequirementFault]:
    """Paths of logs that are neither here nor on the hub. A run that has its rows needs none."""
    data, is_read = config.data, is_stored(RunPaths.of(config).quality)
    for name, logs in {"train": data.train, "val": data.val, "hidden": data.hidden}.items():
        if isinstance(logs, AutoLogs):
            fault = hub_dataset_fault(f"data.{name}", logs.path, Path())
            if fault is not None:
                yield RequirementFault(fault, not is_read)


def _server_faults(config: Config) -> Iterator[RequirementFault]:
    """The faults of every server. One that has answered in this run may be needed no more."""
    run = RunPaths.of(config)
    engine = config.teacher.engine
    if isinstance(engine, OpenAiBackend):
        answered = _has_lines(run.answers("candidates/train"))
        checked = {url: check_server("teacher.engine", url, engine) for url in engine.base_urls}
        dead = [fault for fault in checked.values() if fault and fault.kind == "unreached"]
        for fault in checked.values():
            if fault is not None:  # dead servers are skipped while another one lives
                lives = fault.kind == "unreached" and len(dead) < len(checked)
                refuses = fault.kind != "doubt" and not answered and not lives
                yield RequirementFault(fault.message, refuses, fault.kind == "unreached")
    servers = {"judge.llm": config.judge.llm, "judge.second": config.judge.second}
    for setting, server in servers.items():
        if isinstance(server, ServerSettings):
            fault = check_server(setting, server.base_url, server)
            if fault is not None:
                answered = _has_lines(run.judge_calls) or _has_lines(run.teacher_calls)
                refuses = fault.kind != "doubt" and not answered
                yield RequirementFault(fault.message, refuses, fault.kind == "unreached")


def _has_lines(path: Path) -> bool:
    return is_stored(path) and path.stat().st_size > 0
