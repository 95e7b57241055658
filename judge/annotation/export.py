"""`python -m judge CONFIG export-for-labelling`: a random sample of an arm's answers for people."""

import argparse
import random
from collections.abc import Sequence

from config.errors import ConfigError, DataError
from config.schema import Config
from data.answers import Answer
from data.atomic_write import write_bytes
from data.records import digest
from data.rows import Row
from data.run_paths import RunPaths
from judge.annotation.sheet import CELL, sheet
from judge.run import asked_pairs


def export_command(config: Config, arguments: argparse.Namespace) -> int:
    """Writes the sheet. The same arm, number and seed give the same one.

    Raises ConfigError for an arm or a number that there is not, DataError when a sheet of another
    sample, or one with labels, is in its place.
    """
    folder = RunPaths.of(config)
    chosen = sample(asked_pairs(config), arguments.arm, arguments.rows, config.seed)
    path = folder.labelling(digest([arguments.arm, config.seed])[:8])
    made = sheet(chosen)
    if path.exists() and path.read_bytes() != made:
        raise DataError(
            f"{path}: holds another sample, or labels; import it or move it away, then export again"
        )
    write_bytes(path, made)
    print(f"{len(chosen)} answers of {arguments.arm}: {path}")
    long = sum(_longest(row, answer) > CELL for row, answer in chosen)
    if long:
        print(f"note: {long} have a text over {CELL} characters, the most that Excel keeps of one")
    return 0


def sample(
    pairs: Sequence[tuple[Row, Answer]], arm: str, rows: int, seed: int
) -> list[tuple[Row, Answer]]:
    """A simple random sample without replacement of the arm's answers, in random order.

    A larger one begins with the smaller. Raises ConfigError for an arm that has no answers, or a
    number that it does not have.
    """
    arms = list(dict.fromkeys(answer.arm for _, answer in pairs))
    if arm not in arms:
        raise ConfigError(f"--arm {arm}: no answers of it; there are {', '.join(arms)}")
    there = [pair for pair in pairs if pair[1].arm == arm]
    if not 1 <= rows <= len(there):
        raise ConfigError(
            f"--rows {rows}: {arm} has {len(there)} answers; ask for 1 … {len(there)}"
        )
    there.sort(key=lambda pair: (pair[1].row, pair[1].sample))  # stored in the order of finishing
    random.Random(f"{seed} {arm}").shuffle(there)
    return there[:rows]


def _longest(row: Row, answer: Answer) -> int:
    contexts = sum(len(passage.text) + 2 for passage in row.contexts)
    return max(len(answer.text), len(row.question), contexts)
