"""`python -m engine.device_probe`: what torch finds on this machine, as one line of JSON.

A process of its own: torch takes a second or more to import, and a broken one may end the process.
"""

import json
from typing import Any

from config.console import print
from engine.precision import has_bfloat16, precision


def probe_device() -> dict[str, Any]:
    """Version, devices with their memory in bytes, and the number type of weights."""
    import torch

    gpus = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(index)
        gpus.append({"name": torch.cuda.get_device_name(index), "free": free, "total": total})
    capabilities = {} if gpus else torch.cpu.get_capabilities()
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,  # of the build, whether there is a card or not
        "gpus": gpus,
        "mps": torch.backends.mps.is_available(),
        "bfloat16": has_bfloat16(),
        "by": sorted(name for name, has in capabilities.items() if has and name.endswith("bf16")),
        "precision": precision(),
    }


if __name__ == "__main__":
    print(json.dumps(probe_device()))
