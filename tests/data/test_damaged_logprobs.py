"""Damage anywhere in a file of top logprobs: it is noticed, and costs only the records it is in."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from config.errors import DataError
from data.top_logprobs import TopLogprobsFile, TopLogprobsStore, read_top_logprobs
from tests.data.test_top_logprobs import KEYS, made, same, written

RECORDS = 3


def healed(path: Path) -> list[int]:
    """The numbers of the records that are left after a store was opened, each with its values."""
    TopLogprobsStore(path, KEYS).finish(KEYS)
    if not path.exists():
        return []
    stored = read_top_logprobs(path)
    numbers = [KEYS.index(key) for key in stored]
    assert all(same(stored[KEYS[number]], made(number)) for number in numbers)
    assert pa.ipc.open_stream(path).read_all().num_rows == len(numbers)
    return numbers


def test_a_flipped_byte_costs_the_record_that_it_is_in(tmp_path: Path) -> None:
    """Every byte of the file, flipped whole and in one bit: the other records stay, as they were.

    In the header it costs nothing.
    """
    path = tmp_path / "t.arrow"
    ends = written(path, RECORDS)
    whole, rng = path.read_bytes(), random.Random(0)
    begin = len(pa.ipc.open_stream(path).schema.serialize().to_pybytes())
    flips = 0
    for at in range(len(whole)):
        for mask in (0xFF, 1 << rng.randrange(8)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :])
            hit = next(number for number, end in enumerate(ends) if at < end)
            lost = [] if at < begin else [hit]
            assert healed(path) == [number for number in range(RECORDS) if number not in lost], at
            if not lost:
                assert path.read_bytes() == whole
            flips += 1
    assert flips == 2 * len(whole) > 4000


def test_lost_and_foreign_bytes_cost_the_record_that_they_are_in(tmp_path: Path) -> None:
    """200 holes, insertions and zeroed pages in the middle record: later ones are found again."""
    path = tmp_path / "t.arrow"
    ends = written(path, RECORDS)
    whole, rng = path.read_bytes(), random.Random(1)
    tried = 0
    while tried < 200:
        first, last = sorted(rng.sample(range(ends[0], ends[1] + 1), 2))
        length = last - first
        middle = rng.choice([b"", b"\0" * length, rng.randbytes(length), b"\xff" * length])
        content = whole[:first] + middle + whole[last:]
        if content == whole:  # zeros in place of zeros
            continue
        tried += 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"damaged at 1 of its records; run `unprompted"):
            read_top_logprobs(path)
        assert healed(path) == [0, 2]
    path.write_bytes(whole[: ends[1]] + whole)
    assert healed(path) == [0, 1, 2], "a whole file behind two records: no key twice"


def test_what_is_damaged_is_said_and_the_torn_end_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kill tears the end, which is nobody's concern; a flipped bit is a fault of the disk."""
    path = tmp_path / "t.arrow"
    ends = written(path, RECORDS)
    whole = path.read_bytes()
    path.write_bytes(whole[: ends[1] + 100])
    assert TopLogprobsFile(path).damaged == 0 and healed(path) == [0, 1]
    assert capsys.readouterr().out == ""
    for number, end in enumerate(ends):
        path.write_bytes(whole[: end - 6] + b"\x7f" + whole[end - 5 :])
        assert number not in healed(path)
        assert capsys.readouterr().out == (
            f"{path}: damaged at 1 of its records; their answers are lost\n"
        )


def test_a_file_without_checksums_or_records_is_refused_and_left(tmp_path: Path) -> None:
    """Files of before had a column `k`; text, noise and zeros are nobody's records."""
    path = tmp_path / "t.arrow"
    columns = [
        pa.array(["key"]),
        pa.array([2], pa.int32()),
        pa.array([[1, 2]], pa.list_(pa.int32())),
        pa.array([[-0.5, -1.0]], pa.list_(pa.float16())),
    ]
    table = pa.table(columns, ["key", "k", "ids", "logprobs"])
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)
    refused = {path.read_bytes(): "has another schema"}
    noise = [b"key,k,ids\n", random.Random(2).randbytes(5000), b"{}", b"\xff" * 300_000]
    refused |= {content: "holds no intact record" for content in noise}
    for content, reason in refused.items():
        path.write_bytes(content)
        for use in (read_top_logprobs, lambda path: TopLogprobsStore(path, KEYS)):
            with pytest.raises(DataError, match=rf"t\.arrow: {reason}; remove the file") as error:
                use(path)
            assert "\n" not in str(error.value)
        assert path.read_bytes() == content
    path.write_bytes(b"\0" * 4096)  # a power cut, before anything reached the disk
    assert healed(path) == []
