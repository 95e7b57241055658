"""Resolves the requirements for a platform, a Python and extras, by uv and from wheels alone.

Nothing is installed. uv needs the package index; without it the result is IndexUnreachableError.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from config.checkout import ROOT

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_UNREACHABLE = re.compile(r"error sending request|client error|dns error|Network is unreachable")


class Target(NamedTuple):
    """Where the project is installed, and what with."""

    name: str
    platform: str  # as uv names it
    extras: tuple[str, ...] = ()
    constraints: str = ""  # the file of the checkout that make installs with


LINUX, LINUX_ARM = "x86_64-manylinux_2_35", "aarch64-manylinux_2_35"  # glibc of Ubuntu 22.04, Colab
MACOS = "aarch64-apple-darwin"
TARGETS = (
    Target("Linux, WSL, Docker", LINUX, ("cpu",)),
    Target("Linux, NVIDIA; Colab", LINUX, ("gpu",)),
    Target("Linux on Arm", LINUX_ARM, ("cpu",)),
    Target("Linux on Arm, NVIDIA", LINUX_ARM, ("gpu",)),
    Target("macOS 14, Apple silicon", MACOS, ("cpu",)),
    Target("Windows", "windows", ("cpu",)),
    Target("Windows, NVIDIA", "windows", ("gpu",)),
    Target("`make test`, Linux", LINUX, ("cpu", "dev", "ray"), "constraints-cpu.txt"),
    Target("`make test`, NVIDIA", LINUX, ("gpu", "dev", "ray"), "constraints-gpu.txt"),
    Target("`make test`, macOS", MACOS, ("dev", "ray"), "constraints-cpu.txt"),
    Target("every extra, Linux", LINUX, ("cpu", "dev", "ray", "trackio")),
)


class IndexUnreachableError(Exception):
    """The package index cannot be reached."""


class UnresolvableError(Exception):
    """The requirements contradict each other, or a wheel is missing; uv's words."""


def resolve(target: Target, python: str) -> Mapping[str, str]:
    """The versions that would be installed, by package.

    The CPU builds of PyTorch are not on the package index, so the same version without the build's
    name stands for them. Raises IndexUnreachableError and UnresolvableError.
    """
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", "--no-config", "--no-header", "--no-annotate"]
    command += ["--only-binary", ":all:", "--python", sys.executable]
    command += ["--python-platform", target.platform, "--python-version", python]
    for extra in target.extras:
        command += ["--extra", extra]
    if target.constraints:
        command += ["--constraint", str(ROOT / target.constraints)]
    with tempfile.TemporaryDirectory() as folder:
        if "cpu" in target.extras and target.platform in (LINUX, LINUX_ARM):
            override = Path(folder, "override.txt")
            override.write_text(f"torch=={_measured_torch()}\n", "utf-8")
            command += ["--override", str(override)]
        run = subprocess.run(
            [*command, str(ROOT / "pyproject.toml")],
            capture_output=True,
            text=True,
            env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"},
            cwd=folder,
        )
    if run.returncode:
        unreachable = _UNREACHABLE.search(run.stderr)
        raise (IndexUnreachableError if unreachable else UnresolvableError)(run.stderr.strip())
    return dict(line.split("==", 1) for line in run.stdout.splitlines() if "==" in line)


def _measured_torch() -> str:
    lines = (ROOT / "constraints-cpu.txt").read_text("utf-8").splitlines()
    return next(line.removeprefix("torch==") for line in lines if line.startswith("torch=="))
