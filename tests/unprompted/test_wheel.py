"""The wheel: one package, which runs from a folder that has modules of the rooms' names."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from config.checkout import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built without network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(folder), str(ROOT)], check=True, timeout=120)
    return next(folder.glob("*.whl"))


def test_the_wheel_puts_only_its_package_on_the_import_path(wheel: Path) -> None:
    """A module named `config` or `data` would hide one of the user's own."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"unprompted"}
    assert not [name for name in names if name.endswith(".pyc") or "/tests/" in name]


def test_the_wheel_holds_every_tracked_file_of_the_rooms(wheel: Path) -> None:
    """Templates, rule files and the demo's logs too."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("unprompted/rooms/") for name in archive.namelist()}
    rooms = sorted({name.split("/")[0] for name in packed} - {"unprompted"})
    rooms = [room for room in rooms if (ROOT / room).is_dir()]
    assert len(rooms) == 11
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", *rooms], capture_output=True, text=True, check=True
    )
    assert set(listed.stdout.split()) - packed == set()


def test_the_wheel_runs_from_a_folder_with_modules_of_the_same_names(
    wheel: Path, tmp_path: Path
) -> None:
    """The demo's data stage, in a child process: it reads the logs that lie in the wheel."""
    site, folder = tmp_path / "site", tmp_path / "empty"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (folder / "data").mkdir(parents=True)
    for name in ("config.py", "teacher.py", "data/__init__.py"):
        (folder / name).write_text('raise SystemExit("the user\'s own module")\n', "utf-8")
    program = "import sys; sys.argv[0] = 'unprompted'; from unprompted.__main__ import main; main()"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program, "demo", "students.0.rank=1"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 2
    assert "students.0" in ended.stderr and "own module" not in ended.stderr
