"""Shards: parts of a run's rows, answered on several machines or at different times, then merged.

The hash of a row's id alone decides its shard, so other rows never move it.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError, DataError


@dataclass(frozen=True)
class Shard:
    """A subset of the rows, and the suffix of its files of answers."""

    suffix: str = ""  # of the arm's name
    number: int = 1  # 1 … count
    count: int = 1

    def contains(self, row: str) -> bool:
        """Whether the row with this id belongs to the shard."""
        return shard_number(row, self.count) == self.number


UNSHARDED = Shard()


def parse_shard(text: str) -> Shard:
    """The shard that `--shard 2/4` names. Raises ConfigError when the text is not I/N."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise ConfigError(f"--shard {text}: give it as I/N, from 1/N to N/N")
    return Shard(f".shard-{number}-of-{count}", number, count)


def shard_number(row: str, count: int) -> int:
    """The shard of a row id, 1 … count."""
    sha256 = hashlib.sha256(row.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(sha256[:8], "big") % count + 1


def shard_paths(path: Path) -> list[Path]:
    """The files of all shards of a file of answers, in order.

    Raises DataError when there are none, some are missing, or shard counts are mixed.
    """
    files: dict[tuple[int, int], Path] = {}
    for file in path.parent.glob(f"{path.stem}.shard-*-of-*{path.suffix}"):
        match = re.search(r"\.shard-(\d+)-of-(\d+)$", file.stem)
        if match:
            files[int(match[2]), int(match[1])] = file
    counts = sorted({count for count, _ in files})
    if len(counts) > 1:
        several = " and ".join(map(str, counts))
        raise DataError(f"{path}: there are shards of {several}; remove the obsolete ones")
    if not counts:
        raise DataError(
            f"{path}: has no shards; run `unprompted teacher CONFIG generate --shard 1/N`, … "
            "and `--shard N/N` first"
        )
    count = counts[0]
    missing = [str(number) for number in range(1, count + 1) if (count, number) not in files]
    if missing:
        raise DataError(
            f"{path}: of {count} shards {', '.join(missing)} are missing; run `unprompted teacher "
            f"CONFIG generate --shard {missing[0]}/{count}`"
        )
    return [files[count, number] for number in range(1, count + 1)]
