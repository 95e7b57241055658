"""Weights are readable by others as other files are: as the umask says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import zeros

from config.load import load_config
from data.file_mode import give_usual_mode
from data.run_paths import RunPaths
from engine.merge_adapter import save_merged
from tests.student.run_factory import experiment, tiny_model, trained


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The mode of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in files}


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_every_file_of_a_training_and_of_a_merge(tmp_path: Path, mask: int, mode: int) -> None:
    """022 leaves reading to all, 077 to nobody else. Two steps: checkpoints are files too."""
    with umask(mask):
        base = tiny_model(tmp_path / "base")
        words = ["students.0.epochs=1", "students.0.batch_size=12"]
        config = load_config(experiment(tmp_path, base), words)
        trained(config)
        run = RunPaths.of(config)
        save_merged(str(base), run.student("s") / "adapter", tmp_path / "merged")
    for folder in (run.root, tmp_path / "merged"):
        files = modes(folder)
        assert any(name.endswith(".safetensors") for name in files)
        assert {name for name in files if files[name] != mode} == set()


def test_a_file_without_help_is_the_owners_alone(tmp_path: Path) -> None:
    """What the function is for: safetensors writes 0600 whatever the umask is. Nothing is left
    beside the file."""
    with umask(0o022):
        save_file({"a": zeros(1)}, tmp_path / "a.safetensors")
        assert modes(tmp_path) == {"a.safetensors": 0o600}
        give_usual_mode(tmp_path)
    assert modes(tmp_path) == {"a.safetensors": 0o644}
