"""JSONL stores after crashes: unfinished last lines, a second writer, a full disk."""

import os
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import pytest

from config.errors import DataError
from data.jsonl import JsonlFile, read_appended, read_records, whole_lines, write_records
from data.rows import Context

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from data.rows import Context
from data.jsonl import JsonlFile
with JsonlFile(Path(sys.argv[1]), Context) as store:
    store.append(Context(text="held"))
    print("open", flush=True)
    sys.stdin.readline()
"""
FILL = """
import resource, sys
from pathlib import Path
from config.errors import DataError
from data.rows import Context
from data.jsonl import JsonlFile, read_appended, read_records, write_records
path, size, whole = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "whole"
records = [Context(text=f"{at} " + "ы" * 40) for at in range(200)]
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    if whole:
        write_records(path, records)
    else:
        with JsonlFile(path, Context) as store:
            for record in records[len(list(read_appended(path, Context))):]:
                store.append(record)
except DataError as error:
    print(error)
    sys.exit(2)
"""
RECORDS = [Context(text=f"{at} " + "ы" * 40) for at in range(200)]
TOTAL = sum(len(record.model_dump_json().encode()) + 1 for record in RECORDS)
SIZES = [1, 50, 4095, 4096, 4097, TOTAL // 3, TOTAL // 2, TOTAL - 200, TOTAL - 2, TOTAL - 1]


def _fill(path: Path, size: int, how: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", FILL, str(path), str(size), how]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def _read(path: Path) -> list[Context]:
    return list(read_appended(path, Context))


def test_a_tail_torn_at_any_byte_is_cut_and_only_it(tmp_path: Path) -> None:
    """A record that lacks only its newline is whole: every part of an object is no JSON."""
    path = tmp_path / "s.jsonl"
    write_records(path, RECORDS[:3])
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[2])
    for lost in range(1, last + 1):
        path.write_bytes(whole[:-lost])
        left = 3 if lost == 1 else 2
        assert _read(path) == RECORDS[:left]
        with JsonlFile(path, Context) as store:
            assert _read(path) == RECORDS[:left]
            for record in RECORDS[left:3]:
                store.append(record)
        assert path.read_bytes() == whole


def test_a_last_line_without_its_newline_is_completed(tmp_path: Path) -> None:
    """By the writer, before it appends: two records on one line would both be lost."""
    path = tmp_path / "s.jsonl"
    write_records(path, RECORDS[:3])
    path.write_bytes(path.read_bytes()[:-1])
    assert b"".join(whole_lines(path)).endswith(b"\n")
    with JsonlFile(path, Context) as store:
        offsets = [offset for offset, _ in store.records_with_offsets()]
        offsets.append(store.append(RECORDS[3]))
        assert [store.read(offset) for offset in offsets] == RECORDS[:4]
    path.write_bytes(path.read_bytes() + b'{"text": 1}')
    with pytest.raises(DataError, match=r"s\.jsonl:5: text: .*; remove the line, or the file"):
        _read(path)  # whole, and not a record: no torn tail, which would be skipped
    for tail in (b"12", b'"x"', b"null", b"[]"):  # a part of a longer value may be JSON as well
        write_records(path, RECORDS[:3])
        path.write_bytes(path.read_bytes() + tail)
        assert _read(path) == RECORDS[:3]


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 200_000])
def test_a_long_torn_tail_is_cut(tmp_path: Path, size: int) -> None:
    path = tmp_path / "s.jsonl"
    for before in ([], RECORDS[:2]):
        write_records(path, before)
        with path.open("ab") as file:
            file.write(b"x" * size)
        assert _read(path) == before  # a reader skips what the next writer cuts
        with JsonlFile(path, Context) as store:
            store.append(RECORDS[9])
        assert _read(path) == [*before, RECORDS[9]]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text('{"text": "1"}\n{"text": 2}\n')
    with pytest.raises(DataError, match=r"s\.jsonl:2: text: "):
        _read(path)


@pytest.mark.reliability(line=2)
def test_a_second_process_is_refused_and_told_the_first_20_of_20(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    command = [sys.executable, "-c", HOLD, str(path)]
    pipe = subprocess.PIPE
    holder = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "open\n"
        refusals = 0
        for _ in range(20):
            with pytest.raises(DataError, match=rf"process {holder.pid} is writing it"):
                JsonlFile(path, Context)
            refusals += 1
        assert refusals == 20 and holder.pid != os.getpid()
    finally:
        holder.kill()
        holder.communicate()
    with JsonlFile(path, Context):  # a killed holder holds nothing
        assert _read(path) == [Context(text="held")]


@pytest.mark.reliability(line=5)
@pytest.mark.parametrize("size", SIZES)
def test_a_full_disk_stops_a_store_which_resumes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "s.jsonl"

    full = _fill(path, size, "store")

    assert full.returncode == 2 and full.stdout.count("\n") == 1, full.stderr
    assert str(path) in full.stdout and "free some space" in full.stdout
    stored = _read(path) if path.exists() else []
    ends = accumulate(len(record.model_dump_json().encode()) + 1 for record in RECORDS)
    assert stored == RECORDS[: sum(end - 1 <= size for end in ends)]  # all that fitted, unbroken
    assert _fill(path, 2 * TOTAL, "store").returncode == 0
    assert _read(path) == RECORDS


@pytest.mark.reliability(line=5)
@pytest.mark.parametrize("size", SIZES)
def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, size: int) -> None:
    path = tmp_path / "s.jsonl"
    write_records(path, RECORDS[:5])

    full = _fill(path, size, "whole")

    assert full.returncode == 2, full.stderr
    assert str(path) in full.stdout and str(TOTAL) in full.stdout
    assert _read(path) == RECORDS[:5]
    assert [file.name for file in tmp_path.iterdir()] == ["s.jsonl"]


def test_a_file_that_is_written_at_once_has_no_unfinished_line(tmp_path: Path) -> None:
    """It is replaced as a whole, so a torn line in it is damage, and no row is dropped silently."""
    path = tmp_path / "s.jsonl"
    write_records(path, RECORDS[:3])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert list(read_records(path, Context)) == RECORDS[:3]
    path.write_bytes(whole[:-2])
    with pytest.raises(DataError, match=r"s\.jsonl:3: content: Invalid JSON: .*; remove the line"):
        list(read_records(path, Context))
