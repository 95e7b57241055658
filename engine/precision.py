"""The device of this machine, and the number type of weights and matrix products on it."""

from typing import Literal

from config.errors import SetupError
from config.generation import Dtype

Precision = Literal["bfloat16", "float16", "float32"]
Device = Literal["cuda", "mps", "cpu"]


def has_gpu() -> bool:
    """Whether CUDA is available."""
    import torch  # heavy: commands that only read files do not need it

    return torch.cuda.is_available()


def local_device() -> Device:
    """Where transformers generates answers: CUDA, else Apple's MPS, else the CPU."""
    import torch

    if has_gpu():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def has_bfloat16() -> bool:
    """Whether the hardware multiplies bfloat16. T4, V100 (capability < 8) and many CPUs do not.

    On a CPU without it float32 is faster: 118 against 28 GFLOP/s on a server's AVX-512.
    """
    import torch

    if has_gpu():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities().items()
    return any(name.endswith("bf16") and value for name, value in capabilities)


def precision(dtype: Dtype = "auto", device: Device | None = None) -> Precision:
    """The dtype of weights and matrix products on a device, for a `model.dtype`.

    `device`: None: CUDA or the CPU, where students are trained.
    Raises SetupError where the device does not multiply it.
    """
    if device == "mps":
        return _mps_precision(dtype)
    if dtype == "auto":
        without_bfloat16: Precision = "float16" if has_gpu() else "float32"
        return "bfloat16" if has_bfloat16() else without_bfloat16
    if dtype == "float16" and not has_gpu():
        raise SetupError(
            "model.dtype = float16: a CPU has no fast products in it; set model.dtype: auto"
        )
    if dtype == "bfloat16" and has_gpu() and not has_bfloat16():
        raise SetupError(
            "model.dtype = bfloat16: this GPU's compute capability is below 8, it multiplies "
            "float16; set model.dtype: auto"
        )
    return dtype


def _mps_precision(dtype: Dtype) -> Precision:
    """MPS multiplies bfloat16 from macOS 14 on; its range, unlike float16's, suits every model."""
    import torch

    has_mps_bfloat16 = torch.backends.mps.is_macos_or_newer(14, 0)
    if dtype == "auto":
        return "bfloat16" if has_mps_bfloat16 else "float16"
    if dtype == "bfloat16" and not has_mps_bfloat16:
        raise SetupError(
            "model.dtype = bfloat16: MPS multiplies it from macOS 14 on; set model.dtype: auto"
        )
    return dtype
