"""How a process is started so that it connects nowhere but to this machine."""

import os
from pathlib import Path


def guarded(log: Path) -> dict[str, str]:
    """An environment in which no Python leaves this machine; what was tried goes to `log`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**kept, "PYTHONPATH": str(Path(__file__).parent), "GUARD_LOG": str(log)}
