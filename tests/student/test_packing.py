"""Which rows share a pass, and how wide it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student.packing import pack, packed_width

LENGTHS = st.lists(st.integers(1, 3000), max_size=60)


@given(LENGTHS, st.integers(1, 4000))
def test_every_row_is_in_one_pass_that_holds_it(lengths: list[int], capacity: int) -> None:
    """Exactly once, never over the capacity but alone, and the same way each time."""
    passes = pack(lengths, capacity)
    assert sorted(index for rows in passes for index in rows) == list(range(len(lengths)))
    for rows in passes:
        assert len(rows) == 1 or sum(lengths[index] for index in rows) <= capacity
    assert passes == pack(lengths, capacity)


@given(st.integers(1, 100_000), st.integers(1, 40_000))
def test_a_width_holds_its_rows(length: int, capacity: int) -> None:
    """At most four widths up to the capacity; beyond it less than an eighth and a block more."""
    width = packed_width(length, capacity)
    assert width >= length
    if length <= capacity:
        assert width <= capacity
        assert len({packed_width(size, capacity) for size in range(1, capacity + 1, 97)}) <= 4
    else:
        assert width - length < capacity / 8 + 128


@pytest.mark.parametrize(
    ("length", "width"), [(1, 1024), (1025, 2048), (5000, 8192), (8192, 8192), (8193, 9216)]
)
def test_widths_of_the_usual_pass(length: int, width: int) -> None:
    """8,192 tokens: halves down to 1,024, and multiples of 1,024 above."""
    assert packed_width(length, 8192) == width


def test_most_of_a_pass_is_rows() -> None:
    """Prompts with passages of 1,500 tokens and answers of 200, spread by a third, 32 to a step:
    at least 94 % of all positions are theirs, as many as in padded batches, whose sizes all
    differ. A step's last pass is the one with room."""
    random = np.random.default_rng(0)
    used = total = 0
    for _ in range(50):
        lengths = np.maximum(200, random.normal(1700, 560, 32)).astype(int).tolist()
        used += sum(lengths)
        for rows in pack(lengths, 8192):
            total += packed_width(sum(lengths[index] for index in rows), 8192)
    assert used / total > 0.94
