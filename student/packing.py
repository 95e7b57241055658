"""Which rows share a packed pass, and how many positions it has."""

from collections.abc import Sequence

_SMALLEST = 8  # the smallest pass is this part of a whole one
_BLOCK = 128  # positions of a block of FlexAttention's masks


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Indices by pass: first fit, longest first. A longer row than the capacity is alone.

    It fills passes to 11/9 of the fewest possible at worst (Johnson, 1973).
    """
    passes: list[list[int]] = []
    free: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[index]
        place = next((place for place, room in enumerate(free) if length <= room), None)
        if place is None:
            passes.append([index])
            free.append(capacity - length)
        else:
            passes[place].append(index)
            free[place] -= length
    return passes


def packed_width(length: int, capacity: int) -> int:
    """Positions of a pass with rows of `length` tokens in all: few sizes, each compiled once.

    The capacity, its half, quarter or eighth, whichever is the smallest that holds the rows. A row
    that is longer than the capacity takes a multiple of the eighth.
    """
    eighth = _up(-(-capacity // _SMALLEST), _BLOCK)
    if length > capacity:
        return _up(length, eighth)
    width = min(eighth, capacity)
    while width < length:
        width = min(2 * width, capacity)
    return width


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
