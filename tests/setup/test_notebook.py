"""examples/quickstart.ipynb runs as it stands, with the embedded model and without the network."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from config.checkout import ROOT
from tests.guard.environment import guarded_environment

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
LONG = "long"  # the tag of cells that take minutes: the quick demo, which tests of its own run


def test_it_is_stored_without_outputs() -> None:
    """Outputs hold paths of who ran it last."""
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and not [cell for cell in code if cell["outputs"] or cell["execution_count"]]


@pytest.mark.slow
def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the prompt to the report, in a folder of its own; `%%bash` fails where a command does.

    `unprompted` is on the path, as after the first cell's installation, which is then skipped.
    """
    nbformat = pytest.importorskip("nbformat", reason="not installed: pip install '.[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="not installed: pip install '.[dev]'")
    pytest.importorskip("ipykernel", reason="not installed: pip install '.[dev]'")
    command = tmp_path / "bin" / "unprompted"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{ROOT}" exec {sys.executable} -m unprompted "$@"\n'
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    guarded = guarded_environment(tmp_path / "attempts")
    guarded["PATH"] = f"{command.parent}:{guarded['PATH']}"
    for name in ("PATH", "PYTHONPATH", "GUARD_LOG"):
        monkeypatch.setenv(name, guarded[name])
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [c for c in notebook.cells if LONG not in c.metadata.get("tags", ())]
    folder = tmp_path / "folder"
    folder.mkdir()
    client = nbclient.NotebookClient(
        notebook, timeout=500, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    printed = " ".join(text_of(cell) for cell in notebook.cells)
    assert "8 remain" in printed, "the dry run counts the rows"
    assert (folder / "runs" / "museum" / "report.html").exists()
    assert not (tmp_path / "attempts").exists(), "nothing is asked of other machines"


def text_of(cell: Any) -> str:
    """What a cell printed."""
    return "".join(output.get("text", "") for output in cell.get("outputs", ()))
