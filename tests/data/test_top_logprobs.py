"""The store of top logprobs: unfinished records, a full disk, bytes per token."""

import os
import random
import resource
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from config.errors import DataError
from data.records import digest
from data.top_logprobs import TopLogprobs, TopLogprobsStore, read_top_logprobs

KEYS = [digest(at) for at in range(40)]


@cache
def made(seed: int, positions: int = 5, width: int = 4) -> TopLogprobs:
    """Random ids of a large vocabulary with falling logprobs."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 200_000, (positions, width), dtype=np.int32)
    falling = -np.sort(rng.exponential(4, (positions, width)))
    return TopLogprobs(ids, falling.astype(np.float16))


def written(path: Path, count: int) -> list[int]:
    """Writes `count` records; returns the byte offset of the end of each."""
    ends = []
    store = TopLogprobsStore(path, KEYS)
    for at, key in enumerate(KEYS[:count]):
        store.append(key, made(at))
        ends.append(path.stat().st_size)
    store.finish(KEYS)
    return ends


def same(left: TopLogprobs, right: TopLogprobs) -> bool:
    """Bitwise equality, with shapes and types."""
    types = [(record.ids.dtype, record.logprobs.dtype) for record in (left, right)]
    ids, logprobs = (
        np.array_equal(left.ids, right.ids),
        np.array_equal(left.logprobs, right.logprobs),
    )
    return ids and logprobs and types[0] == types[1]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """For any length and K, several in one file; any Arrow reader reads one row each."""
    path = tmp_path / "t.arrow"
    shapes = [(1, 1), (1, 20), (300, 20), (7, 64)]
    store = TopLogprobsStore(path, KEYS)
    for at, shape in enumerate(shapes):
        store.append(KEYS[at], made(at, *shape))
    store.finish(KEYS)
    stored = read_top_logprobs(path)
    assert list(stored) == KEYS[:4] and len(stored) == 4 and KEYS[4] not in stored
    assert all(same(stored[KEYS[at]], made(at, *shape)) for at, shape in enumerate(shapes))
    assert pa.ipc.open_stream(path).read_all().column("key").to_pylist() == KEYS[:4]


def test_only_what_is_asked_for_is_loaded(tmp_path: Path) -> None:
    """Arrays are views of the file: 40 records of 150 kB allocate no Arrow memory."""
    path = tmp_path / "t.arrow"
    store = TopLogprobsStore(path, KEYS)
    for key in KEYS:
        store.append(key, made(0, 1000, 25))
    store.finish(KEYS)
    before = pa.total_allocated_bytes()
    stored = read_top_logprobs(path)
    loaded = [stored[key] for key in KEYS]
    assert pa.total_allocated_bytes() == before
    assert not any(array.flags.owndata for record in loaded for array in record)


def test_a_token_costs_at_most_150_bytes(tmp_path: Path) -> None:
    """K = 20 at 6 bytes each is 120; the demo's answers have 34 tokens on average, others 60."""
    for positions, bound in ((34, 136), (60, 130)):
        path = tmp_path / f"{positions}.arrow"
        store = TopLogprobsStore(path, KEYS)
        for at, key in enumerate(KEYS):
            store.append(key, made(at, positions, 20))
        store.finish(KEYS)
        assert path.stat().st_size / (len(KEYS) * positions) < bound <= 150


def test_a_record_torn_at_any_byte_is_cut_and_only_it(tmp_path: Path) -> None:
    """An unfinished header before the first record is written again with it."""
    path = tmp_path / "t.arrow"
    ends = written(path, 2)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        left = sum(end <= size for end in ends)
        assert (
            list(read_top_logprobs(path)) == KEYS[:left]
        )  # a reader skips what the next writer cuts
        store = TopLogprobsStore(path, KEYS)
        assert [key in store for key in KEYS[:2]] == [at < left for at in range(2)]
        store.append(KEYS[left], made(left))
        assert path.read_bytes() == whole[: ends[left]]


def test_noise_behind_the_last_record_is_cut(tmp_path: Path) -> None:
    """Zeros, as after a power cut, and 200 tails of random bytes."""
    path = tmp_path / "t.arrow"
    written(path, 3)
    whole = path.read_bytes()
    rng = random.Random(0)
    tails = [b"\0" * size for size in (1, 7, 8, 4096)]
    tails += [rng.randbytes(rng.randrange(1, 400)) for _ in range(200)]
    for tail in tails:
        path.write_bytes(whole + tail)
        TopLogprobsStore(path, KEYS).finish(KEYS)
        assert path.read_bytes() == whole


def test_a_record_without_its_answer_is_dropped_when_opened(tmp_path: Path) -> None:
    """Its answer is generated again: last records are cut off, others need a new file."""
    path = tmp_path / "t.arrow"
    ends = written(path, 5)
    inode = path.stat().st_ino
    assert KEYS[2] in TopLogprobsStore(path, KEYS[:3]) and KEYS[3] not in TopLogprobsStore(
        path, KEYS[:3]
    )
    assert (path.stat().st_ino, path.stat().st_size) == (inode, ends[2])
    store = TopLogprobsStore(path, [KEYS[0], KEYS[2]])
    assert [key in store for key in KEYS[:3]] == [True, False, True]
    store.append(KEYS[1], made(99))
    stored = read_top_logprobs(path)
    assert same(stored[KEYS[1]], made(99)) and same(stored[KEYS[2]], made(2))
    assert pa.ipc.open_stream(path).read_all().num_rows == 3, "no key twice"


def test_what_no_answer_needs_is_dropped_at_the_end(tmp_path: Path) -> None:
    """Records of other keys are dropped; a file without any is not written again."""
    path = tmp_path / "t.arrow"
    written(path, 5)
    inode = path.stat().st_ino
    TopLogprobsStore(path, KEYS).finish(KEYS[:5])
    assert path.stat().st_ino == inode
    TopLogprobsStore(path, KEYS).finish(KEYS[1:3])
    stored = read_top_logprobs(path)
    assert list(stored) == KEYS[1:3] and same(stored[KEYS[2]], made(2))
    TopLogprobsStore(path, KEYS).finish([])
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    """By reader and writer, with its path; a missing file by the reader."""
    path = tmp_path / "t.arrow"
    other = pa.table({"key": KEYS})
    with pa.ipc.new_stream(path, other.schema) as stream:
        stream.write_table(other)
    for use in (read_top_logprobs, lambda path: TopLogprobsStore(path, KEYS)):
        with pytest.raises(DataError, match=r"t\.arrow: has another schema; remove the file"):
            use(path)
    with pytest.raises(DataError, match=r"none\.arrow: not there; run `unprompted teacher"):
        read_top_logprobs(tmp_path / "none.arrow")


@pytest.mark.parametrize("size", [1, 359, 4096, 20_000])  # 360: the head of the file
def test_a_full_disk_stops_the_store_which_resumes(tmp_path: Path, size: int) -> None:
    """One line with path and bytes; complete records stay; with space again all 40 are stored."""
    path, whole = tmp_path / "t.arrow", tmp_path / "whole.arrow"
    ends = written(whole, len(KEYS))
    assert ends[-1] > size

    code, line = filled(path, size)

    at_once = ends[0] if size < ends[0] else ends[1] - ends[0]
    assert code == 2 and f"{path}: cannot write {at_once} bytes" in line and "\n" not in line
    assert list(read_top_logprobs(path)) == KEYS[: sum(end <= size for end in ends)]
    assert filled(path, 2 * ends[-1]) == (0, "")
    assert path.read_bytes() == whole.read_bytes()


def filled(path: Path, size: int) -> tuple[int, str]:
    """Stores all records in a process whose files may have `size` bytes: its exit code, and the
    line of its error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        code = 1
        try:
            store = TopLogprobsStore(path, KEYS)
            for at, key in enumerate(KEYS):
                if key not in store:
                    store.append(key, made(at))
            store.finish(KEYS)
            code = 0
        except DataError as error:
            os.write(writing, str(error).encode())
            code = 2
        finally:
            os._exit(code)  # the child is no second pytest, whatever was raised
    os.close(writing)
    with open(reading, "rb") as lines:
        line = lines.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), line
