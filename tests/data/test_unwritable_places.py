"""What cannot be written ends in one line with the path and a way out, whatever writes it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import UnpromptedError, system_way_out
from data.atomic_write import write_text
from data.fingerprint import check_fingerprint
from data.jsonl import JsonlFile, write_records
from data.rows import Context
from data.run_date import record_run_date, run_date
from data.top_logprobs import TopLogprobsStore
from tests.data.test_top_logprobs import KEYS, made


def _append(path: Path) -> None:
    with JsonlFile(path, Context) as file:
        file.append(Context(text="a"))


def _append_logprobs(path: Path) -> None:
    store = TopLogprobsStore(path, KEYS)
    store.append(KEYS[0], made(0))
    store.finish(KEYS)


WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: write_text(path, "a"),
    "records": lambda path: write_records(path, [Context(text="a")]),
    "fingerprint": lambda path: check_fingerprint(path, {"a": 1}, True),
    "date": lambda path: record_run_date(path, run_date(path)),
    "answers": _append,
    "probabilities": _append_logprobs,
}


def _folder(path: Path) -> Path:
    path.mkdir()
    (path / "inside").write_text("")
    return path


def _link(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


def _below_a_file(path: Path) -> Path:
    path.write_text("")
    return path / "b" / "c.json"


PLACES: dict[str, Callable[[Path], Path]] = {
    "a folder": _folder,
    "a loop": lambda path: _link(path, path.name),
    "a link to nothing": lambda path: _link(path, "/nowhere/file"),
    "a loop above": lambda path: _link(path, path.name) / "b.json",
    "a link to nothing above": lambda path: _link(path, "/nowhere/folder") / "b.json",
    "below a file": _below_a_file,
    "a long name": lambda path: path.with_name("x" * 300),
    "a long name above": lambda path: path.with_name("x" * 300) / "b.json",
    "a disk that takes no files": lambda path: Path("/proc/sys/kernel/none/b.json"),
}


def _listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if ".lock" not in path.name)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_place_that_cannot_be_written(tmp_path: Path, writer: str, place: str) -> None:
    """6 writers × 9 places: nothing is overwritten, and no temporary file is left."""
    path = PLACES[place](tmp_path / "a.json")
    before = _listing(tmp_path)
    with pytest.raises((UnpromptedError, OSError)) as caught:
        WRITERS[writer](path)
    error = caught.value
    if isinstance(error, OSError):
        assert system_way_out(error) and error.filename
    assert "\n" not in str(error)
    assert str(tmp_path) in str(error) or "/proc/sys/kernel/none" in str(error)
    assert _listing(tmp_path) == before


def test_a_link_to_a_file_is_read_and_written(tmp_path: Path) -> None:
    """Only broken links are refused."""
    for writer in WRITERS.values():
        target, path = tmp_path / "target.json", tmp_path / "link.json"
        path.symlink_to(target)
        target.touch()
        if writer is WRITERS["fingerprint"]:
            target.write_text("{}")
        if writer is WRITERS["date"]:
            target.write_text("2026-11-28")
        writer(path)
        os.unlink(path)
        target.unlink()
