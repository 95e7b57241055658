"""What this machine computes on, and in which numbers."""

from typing import Literal


def on_gpu() -> bool:
    """Whether a CUDA device is there."""
    import torch  # heavy: commands that only read must not wait for it

    return torch.cuda.is_available()


def has_bfloat16() -> bool:
    """Whether the machine multiplies bfloat16 in hardware, as GPUs do and many CPUs do not.

    Without it float32 is faster: 118 against 28 GFLOP/s on a server's AVX-512.
    """
    import torch

    found = torch.cpu.get_capabilities().items()
    return on_gpu() or any(name.endswith("bf16") and value for name, value in found)


def precision() -> Literal["bfloat16", "float32"]:
    """The type of weights and products here: bfloat16, or float32 where that is faster."""
    return "bfloat16" if has_bfloat16() else "float32"
