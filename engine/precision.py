"""The device of this machine, and the number type that is fastest on it."""

from typing import Literal


def has_gpu() -> bool:
    """Whether CUDA is available."""
    import torch  # heavy: commands that only read files do not need it

    return torch.cuda.is_available()


def has_bfloat16() -> bool:
    """Whether the hardware multiplies bfloat16. All supported GPUs do; many CPUs do not.

    Without it float32 is faster: 118 against 28 GFLOP/s on a server's AVX-512.
    """
    import torch

    capabilities = torch.cpu.get_capabilities().items()
    return has_gpu() or any(name.endswith("bf16") and value for name, value in capabilities)


def precision() -> Literal["bfloat16", "float32"]:
    """The dtype of weights and matrix products on this machine."""
    return "bfloat16" if has_bfloat16() else "float32"
