"""What this machine computes per second, from measurements on two CPU cores or a card's data sheet.

Knows no torch: importing it takes longer than the whole dry run. All rates are ranges.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import NamedTuple

from pipeline.machine_limits import free_memory, usable_cores

RateRange = tuple[float, float]  # slow, fast

# Measured with SmolLM2-135M on two cores with AMX in bfloat16, tokens per second: read and written
# by vLLM in batches (benchmarks/results/generation.md, two lengths, solved for both rates), trained
# (metrics.jsonl of the demo; training-cpu.md), written by transformers (generation.md).
_PARAMETERS, _CORES = 135e6, 2
_READ, _WRITTEN, _TRAINED, _PLAIN = 3600, 480, 300, 57
_SPREAD = 2.0  # other loads, lengths and makes of CPU: half to twice
_FLOAT32 = 0.6  # of the rates where the CPU does not multiply bfloat16
_CPU_START_S = (15.0, 40.0)  # of vLLM

# Dense bfloat16 TFLOP/s (float16 where a card has no other) and memory in TB/s, by data sheet.
_CARDS: dict[str, tuple[float, float]] = {
    "B200": (2250, 8.0),
    "H200": (989, 4.8),
    "H100": (800, 2.6),
    "A100": (312, 1.6),
    "L40S": (362, 0.86),
    "A6000": (155, 0.77),
    "L4": (121, 0.3),
    "A10": (125, 0.6),
    "T4": (65, 0.32),
    "V100": (112, 0.9),
    "5090": (210, 1.8),
    "4090": (165, 1.0),
    "3090": (71, 0.94),
}
_USE = (0.05, 0.4)  # of a card's peak: small models and short batches, to large ones
_GPU_START_S = (40.0, 120.0)
_IN_FLIGHT = 64  # requests that a card answers at once, whose tokens share one read of the weights
_PLAIN_IN_FLIGHT = 8
_FLOP_READ, _FLOP_TRAINED = 2, 6  # per parameter and token


class DeviceRates(NamedTuple):
    """A device: tokens × parameters per second, and where the figures are from."""

    name: str
    gpu: bool
    memory_gib: float  # of the card, or of this machine
    basis: str
    read: RateRange | None = None  # None: no figures
    written: RateRange | None = None
    trained: RateRange | None = None
    plain: RateRange | None = None  # written by transformers, in the evaluations of a training
    start_s: RateRange = (0.0, 0.0)  # of an engine


def this_device() -> DeviceRates:
    """The device on which a run of this machine computes."""
    card = _first_card()
    if card is not None:
        return gpu_rates(*card)
    memory_gib = free_memory()[1] / 2**30
    if sys.platform == "darwin":
        name = f"{platform.machine()} Mac"
        return DeviceRates(name, False, memory_gib, "nothing was measured there")
    return cpu_rates(usable_cores(), _has_bfloat16(), memory_gib)


def cpu_rates(cores: int, bfloat16: bool, memory_gib: float) -> DeviceRates:
    """The rates of so many cores, which multiply bfloat16 or not."""
    speed = (1.0 if bfloat16 else _FLOAT32) * cores / _CORES

    def scaled(tokens: float) -> RateRange:
        rate = tokens * _PARAMETERS * speed
        return rate / _SPREAD, rate * _SPREAD

    dtype = "bfloat16" if bfloat16 else "float32"
    return DeviceRates(
        f"{cores} CPU cores in {dtype}, no GPU",
        False,
        memory_gib,
        "measured on two CPU cores with a model of 135M, scaled by cores and size, half to twice",
        scaled(_READ),
        scaled(_WRITTEN),
        scaled(_TRAINED),
        scaled(_PLAIN),
        _CPU_START_S,
    )


def gpu_rates(name: str, memory_gib: float) -> DeviceRates:
    """The rates of an NVIDIA card, by its name as nvidia-smi writes it."""
    known = next((figures for part, figures in _CARDS.items() if part in name), None)
    if known is None:
        return DeviceRates(name, True, memory_gib, "its speed is not in our table")
    flops, bandwidth = known[0] * 1e12, known[1] * 1e12

    def used(rate: float, most: float = float("inf")) -> RateRange:
        return min(most, rate) * _USE[0], min(most, rate) * _USE[1]

    read = flops / _FLOP_READ
    return DeviceRates(
        name,
        True,
        memory_gib,
        f"not measured: {_USE[0]:.0%} to {_USE[1]:.0%} of the card's data sheet",
        used(read),
        used(_IN_FLIGHT * bandwidth / 2, read),  # two bytes a parameter
        used(flops / _FLOP_TRAINED),
        used(_PLAIN_IN_FLIGHT * bandwidth / 2, read),
        _GPU_START_S,
    )


def _first_card() -> tuple[str, float] | None:
    """Name and GiB of the first NVIDIA card that this process may use."""
    if which("nvidia-smi") is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(
            query, capture_output=True, text=True, timeout=5, check=True
        ).stdout.splitlines()
        name, _, mib = lines[0].rpartition(", ")
        return name, float(mib) / 1024
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _has_bfloat16() -> bool:
    """As `engine.precision.has_bfloat16`, of a CPU, by the flags that torch reads."""
    flags = Path("/proc/cpuinfo")
    text = flags.read_text("utf-8", "replace") if flags.exists() else ""
    return any(flag in text for flag in (" amx_bf16", " avx512_bf16", " bf16"))
