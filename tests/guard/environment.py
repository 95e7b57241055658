"""The environment of a child process that may connect only to this machine."""

import os
from pathlib import Path


def guarded_environment(log: Path) -> dict[str, str]:
    """Environment variables that load the guard in every Python; refused attempts go to `log`."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**variables, "PYTHONPATH": str(Path(__file__).parent), "GUARD_LOG": str(log)}
