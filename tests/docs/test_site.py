"""The docs build into a site without a warning."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from config.checkout import ROOT


@pytest.mark.skipif(
    find_spec("mkdocs") is None or find_spec("material") is None,
    reason="mkdocs-material is not installed; pip install '.[dev]'",
)
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """A page that is missing, a dead link or anchor, and a page outside the menu stop the build."""
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert build.returncode == 0, build.stderr
    assert "not included in the" not in build.stderr  # "nav" configuration
    index = (tmp_path / "site/index.html").read_text("utf-8")
    assert "https://fonts." not in index  # the pages load nothing from other hosts
