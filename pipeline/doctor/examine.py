"""All checks of `unprompted doctor` but those of packages, the slow ones beside each other."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from config.errors import UnpromptedError
from config.generation import GPU_MEMORY
from config.load import load_config
from config.schema import Config
from pipeline.doctor import machine, network
from pipeline.doctor.finding import Finding
from pipeline.doctor.packages import vllm_builds
from pipeline.doctor.settings_needs import key_names, requirement_findings, settings_findings
from pipeline.doctor.torch_device import TorchDevice, TorchProbe, torch_findings, vllm_findings
from pipeline.machine_limits import free_memory, usable_cores

_HUB_S = 3.0  # looking up a name may take longer than any timeout of a socket
_SERVERS_S = 30.0  # one after another


def examine(path: str | None, overrides: Sequence[str] = ()) -> list[Finding]:
    """The findings: of torch and vLLM, the machine, the hub, then of the settings in `path`."""
    probe = TorchProbe()  # runs beside everything else
    config, of_settings = _load(path, overrides)
    hub = network.in_parallel(lambda: [network.hub_finding()], _HUB_S)
    needs = None
    if config is not None:
        needs = network.in_parallel(partial(requirement_findings, config), _SERVERS_S)
    of_machine = _machine_findings(config)
    device = probe.result()
    of_torch = _torch_findings(device, config)
    if config is not None and needs is not None:
        known = device if isinstance(device, TorchDevice) else None
        of_settings += [*settings_findings(config, known), *needs()]
    return [*of_torch, *of_machine, *hub(), *of_settings]


def _load(path: str | None, overrides: Sequence[str]) -> tuple[Config | None, list[Finding]]:
    """The settings, and whether they can be read."""
    if path is None:
        return None, []
    try:
        config = load_config(Path(path), overrides)
    except (UnpromptedError, OSError) as error:
        return None, [Finding("problem", "settings", str(error))]
    students = ", ".join(student.name for student in config.students)
    return config, [Finding("ok", "settings", f"{config.name}: students {students}")]


def _machine_findings(config: Config | None) -> list[Finding]:
    """Memory, disk, the embedded model where it is used, and keys."""
    free, total = free_memory()
    findings = [
        machine.memory_finding(free, total, usable_cores()),
        *machine.folder_findings(Path("runs" if config is None else config.runs)),
    ]
    if config is None or "embedded" in (config.model.name, config.judge.llm):
        findings.append(machine.embedded_finding())
    names = () if config is None else key_names(config)
    return [*findings, machine.key_finding(os.environ, names)]


def _torch_findings(device: TorchDevice | Finding, config: Config | None) -> list[Finding]:
    if isinstance(device, Finding):
        return [device]
    gpu_memory = GPU_MEMORY if config is None else config.model.gpu_memory
    builds = vllm_builds()
    return [*torch_findings(device, gpu_memory if builds else 0.0), *vllm_findings(builds, device)]
