"""Locks by filelock: the note of the holder survives who comes second, and each lock ends once."""

import os
from pathlib import Path

import pytest

from config.errors import DataError
from data.file_lock import claim, lock_file


def test_who_comes_second_leaves_the_note(tmp_path: Path) -> None:
    """It names the holder to the third, too: contenders must not empty the file."""
    path = tmp_path / "a"
    with lock_file(path):
        lines = set()
        for _ in range(3):
            with pytest.raises(DataError) as refused:
                lock_file(path)
            lines.add(str(refused.value))
    assert len(lines) == 1 and f"process {os.getpid()} is writing it" in lines.pop()


def test_a_lock_is_free_when_its_file_is_closed(tmp_path: Path) -> None:
    for _ in range(2):
        lock_file(tmp_path / "a").close()
    with claim(tmp_path, "part"):
        assert (tmp_path / "claims" / "part.lock").exists()
    with claim(tmp_path, "part"):
        pass


def test_a_claim_is_inherited_and_a_lock_is_not(tmp_path: Path) -> None:
    """Children hold claims; a lock of one file is of its process alone."""

    def inheritable() -> set[str]:
        folder = Path("/proc/self/fd")
        return {
            Path(os.readlink(folder / name)).name
            for name in os.listdir(folder)
            if (folder / name).exists() and os.get_inheritable(int(name))
        }

    with lock_file(tmp_path / "a"), claim(tmp_path, "part"):
        names = inheritable()
    assert "part.lock" in names and "a.lock" not in names
