"""Files that several processes replace and read at once, and what killed writers leave."""

import os
import time
from pathlib import Path

from data.atomic_write import write_text

SECONDS = 2.0  # with a fixed temporary name 268 of 70,600 reads were torn in 5 s
TEXTS = ("a" * 400_000 + "\n", "b" * 300_000 + "\n")  # of two lengths: a mixture is neither


def start_writer(path: Path, text: str, stop: Path) -> int:
    """A process that replaces the file until `stop` exists; its exit code is 0 if every write
    succeeds."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            while not stop.exists():
                write_text(path, text)
            code = 0
        finally:
            os._exit(code)  # the child is no second pytest, whatever was raised
    return child


def test_a_reader_beside_two_writers_sees_whole_files(tmp_path: Path) -> None:
    """No read is torn, no write fails, and no temporary file is left."""
    path, stop = tmp_path / "files/a.json", tmp_path / "stop"
    path.parent.mkdir()
    write_text(path, TEXTS[0])
    end = time.monotonic() + SECONDS
    writers = [start_writer(path, text, stop) for text in TEXTS]
    texts, reads = set[str](), 0
    while time.monotonic() < end or reads <= 100 or len(texts) < 2:
        texts.add(path.read_text())
        reads += 1
    stop.touch()
    assert [os.waitpid(writer, 0)[1] for writer in writers] == [0, 0]
    assert texts == set(TEXTS)
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    """A younger file may belong to a writer at work, and another name to another file."""
    path = tmp_path / "a[1].json"
    old, young, other = (tmp_path / f".{name}.tmp" for name in ("a[1].json.0", "a[1].json.1", "a1"))
    for temporary in (old, young, other):
        temporary.write_text("half")
    hours_ago = time.time() - 2 * 3600
    for temporary in (old, other):
        os.utime(temporary, (hours_ago, hours_ago))
    write_text(path, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, young, other])


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    """255 bytes is the limit of file systems; the temporary name is shorter."""
    path = tmp_path / ("ы" * 127)
    write_text(path, "x")
    assert path.read_text() == "x"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
