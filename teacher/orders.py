"""Orders of the worked examples, one per candidate.

A small prompted model answers like the last examples it saw: with one order it refuses everything
or nothing. So each candidate sees another order, and the orders end with different examples. All
rows share them, because a constant prefix is read once and then cached.
"""

import random


def example_orders(count: int, candidates: int, seed: int) -> list[tuple[int, ...]]:
    """`candidates` orders of `count` examples; any `count` in a row end with different ones."""
    rng = random.Random(seed)
    lasts = list(range(count))
    rng.shuffle(lasts)
    orders = []
    for candidate in range(candidates):
        last = lasts[candidate % count] if count else None
        order = [index for index in range(count) if index != last]
        rng.shuffle(order)
        orders.append((*order, last) if last is not None else ())
    return orders
