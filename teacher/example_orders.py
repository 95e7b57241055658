"""The order of the worked examples for each candidate."""

import random

from config.generation import TeacherSettings


def example_orders(
    teacher: TeacherSettings, examples: int, seed: int
) -> list[tuple[int, ...] | None]:
    """The order of the worked examples for each candidate of a row; None: as written.

    A small prompted model imitates the last examples it saw: with one order it refuses everything
    or nothing. So the first order is as written and each later one ends with another example, the
    rest shuffled; after the last example it begins again. All rows share the orders, because a
    constant prefix is computed once and then cached.
    """
    if not teacher.shuffle_examples:
        return [None] * teacher.candidates
    rng = random.Random(seed)
    orders: list[tuple[int, ...] | None] = [tuple(range(examples))]
    for candidate in range(1, teacher.candidates):
        last = (candidate - 1) % examples if examples else 0
        rest = [index for index in range(examples) if index != last]
        rng.shuffle(rest)
        orders.append((*rest, last) if examples else ())
    return orders
