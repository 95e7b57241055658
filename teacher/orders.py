"""Orders of the worked examples, one per candidate.

A small prompted model answers like the last examples it saw: with one order it refuses everything
or nothing. So each candidate sees another order, and the orders end with different examples. All
rows share them, because a constant prefix is read once and then cached.
"""

import random

from config.schema import TeacherSettings


def candidate_orders(
    teacher: TeacherSettings, examples: int, seed: int
) -> list[tuple[int, ...] | None]:
    """The order that each candidate of a row sees; None: as written."""
    if not teacher.shuffle_examples:
        return [None] * teacher.candidates
    return list(example_orders(examples, teacher.candidates, seed))


def example_orders(count: int, candidates: int, seed: int) -> list[tuple[int, ...]]:
    """`candidates` orders of `count` examples: as written, then one that ends with each example.

    What comes before the last example is shuffled; past the last example it begins again.
    """
    rng = random.Random(seed)
    orders = [tuple(range(count))]
    for candidate in range(1, candidates):
        last = (candidate - 1) % count if count else 0
        rest = [index for index in range(count) if index != last]
        rng.shuffle(rest)
        orders.append((*rest, last) if count else ())
    return orders
