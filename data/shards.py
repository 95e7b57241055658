"""Parts of a run's rows that are answered apart, on other machines or at other times, then joined.

A row belongs to a shard by the hash of its id alone, whatever other rows there are.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError, DataError


@dataclass(frozen=True)
class Shard:
    """Which rows are meant, and what the files of their answers are called."""

    suffix: str = ""  # of the arm's name
    number: int = 1  # from 1 on
    count: int = 1

    def holds(self, row: str) -> bool:
        """Whether the row of this id is in it."""
        return shard_of(row, self.count) == self.number


WHOLE = Shard()


def shard(number: int, count: int) -> Shard:
    """Shard `number` of `count`."""
    return Shard(f".shard-{number}-of-{count}", number, count)


def read_shard(text: str) -> Shard:
    """The part that `--shard 2/4` names. Raises ConfigError when it names none."""
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise ConfigError(f"--shard {text}: give it as I/N, from 1/N to N/N")
    return shard(number, count)


def shard_of(row: str, count: int) -> int:
    """The number of the shard that a row is in, 1 … count."""
    found = hashlib.sha256(row.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(found[:8], "big") % count + 1


def shard_paths(path: Path) -> list[Path]:
    """The files of all shards of a file of answers, in their order.

    Raises DataError when there are none, one is missing, or there are two ways of sharding.
    """
    found: dict[tuple[int, int], Path] = {}
    for one in path.parent.glob(f"{path.stem}.shard-*-of-*{path.suffix}"):
        numbers = re.search(r"\.shard-(\d+)-of-(\d+)$", one.stem)
        if numbers:
            found[int(numbers[2]), int(numbers[1])] = one
    counts = sorted({count for count, _ in found})
    if len(counts) > 1:
        several = " and ".join(map(str, counts))
        raise DataError(f"{path}: there are shards of {several}; remove those that do not count")
    if not counts:
        raise DataError(
            f"{path}: has no shards; run `python -m teacher CONFIG generate --shard 1/N`, … "
            "and `--shard N/N` first"
        )
    count = counts[0]
    missing = [str(number) for number in range(1, count + 1) if (count, number) not in found]
    if missing:
        raise DataError(
            f"{path}: of {count} shards {', '.join(missing)} are missing; run `python -m teacher "
            f"CONFIG generate --shard {missing[0]}/{count}`"
        )
    return [found[count, number] for number in range(1, count + 1)]
