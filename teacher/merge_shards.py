"""Joins the shards of a sharded teacher run, and proves that nothing is missing or there twice.

The joined answers are gone through by `generate` itself, with an engine that answers nothing: what
it would still ask is missing, and the order of the file is the one of an undivided run, byte for
byte. Until all arms are proven, what lies at their places stays.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.schema import Config
from data.answers import Answer, top_logprobs_path
from data.atomic_write import replace_file
from data.file_lock import lock_file
from data.fingerprint import check_fingerprint, fingerprint_path, read_fingerprint
from data.jsonl import read_records
from data.run_paths import RunPaths
from data.shards import Shard, shard_number, shard_paths
from data.top_logprobs import merge_top_logprobs
from engine.base import Completion, Request
from engine.batch_job import UnansweredRows
from teacher.generate import ARMS, Sources, generate

_MERGING = Shard(".merging")


class _NoEngine:
    """Answers nothing."""

    def __init__(self, identity: str, max_length: int) -> None:
        self.identity = identity
        self.max_length = max_length

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields nothing."""
        return iter(())

    def close(self) -> None:
        """Nothing to free."""


class Merged(NamedTuple):
    """What became of an arm's shards."""

    shards: int
    answers: int  # in the merged file
    too_long: int  # of them: rows whose prompt does not fit
    left_out: int  # answers that no row asks for, since `teacher.keep` was lowered for one


def merge(config: Config, identity: str) -> dict[str, Merged]:
    """Writes the answers of every arm of the teacher from its shards; returns what was joined.

    `identity`: of the engine that answered.

    Raises DataError naming what is missing, there twice, in the wrong shard, or made with other
    settings; the shards and what was merged before are then as they were.
    """
    run = RunPaths.of(config)
    shards = {arm: shard_paths(run.answers(arm)) for arm in ARMS}
    joined = {arm: run.answers(arm + _MERGING.suffix) for arm in ARMS}
    counts: dict[str, int] = {}
    try:
        with ExitStack() as claims:
            for arm, paths in shards.items():
                for path in paths:
                    claims.enter_context(lock_file(path))
                counts[arm] = _join(paths, joined[arm])
        nobody = _NoEngine(identity, config.model.max_length)
        done = generate(config, Sources(nobody, part=_MERGING), False)
        for arm in ARMS:
            check_fingerprint(
                fingerprint_path(run.answers(arm)),
                read_fingerprint(fingerprint_path(joined[arm])),
                False,
            )
        for arm in ARMS:
            _move(joined[arm], run.answers(arm))
    except UnansweredRows as error:
        count = next(len(shards[arm]) for arm in ARMS if joined[arm] == error.path)
        raise _unfinished(error, count) from None
    finally:
        for path in joined.values():
            for one in (*_files(path), path.with_name(path.name + ".lock")):
                one.unlink(missing_ok=True)
    return {
        arm: Merged(len(shards[arm]), one.answers, one.too_long, counts[arm] - one.reused)
        for arm, one in done.items()
    }


def _files(path: Path) -> tuple[Path, Path, Path]:
    """A file of answers with those beside it."""
    return path, top_logprobs_path(path), fingerprint_path(path)


def _move(joined: Path, path: Path) -> None:
    with lock_file(path):
        for source, target in zip(_files(joined), _files(path), strict=True):
            if source.exists():
                source.replace(target)
            else:
                target.unlink(missing_ok=True)  # likely tokens that are no longer wanted


def _unfinished(error: UnansweredRows, count: int) -> DataError:
    numbers = sorted({shard_number(row, count) for row in error.rows})
    first = str(error).split("; run again")[0].replace(_MERGING.suffix, "")
    return DataError(
        f"{first}; run `python -m teacher CONFIG generate --shard {numbers[0]}/{count}` again"
        + (f", and shards {', '.join(map(str, numbers[1:]))}" if numbers[1:] else "")
    )


def _join(paths: list[Path], out: Path) -> int:
    """Writes `out` and what lies beside it; returns how many answers it got."""
    meanings = [read_fingerprint(fingerprint_path(path)) for path in paths]
    for path, meaning in zip(paths, meanings, strict=True):
        if meaning != meanings[0]:
            raise DataError(f"{path}: was made with other settings than {paths[0]}; make it again")
    joining = _Joining(len(paths))
    replace_file(out, joining.lines(paths), sum(path.stat().st_size for path in paths))
    check_fingerprint(fingerprint_path(out), meanings[0], True)
    merge_top_logprobs([top_logprobs_path(path) for path in paths], top_logprobs_path(out))
    return joining.written


@dataclass
class _Joining:
    """What has been seen of the shards."""

    count: int
    written: int = 0
    places: set[int] = field(default_factory=set)  # hashes of row and sample
    keys: dict[int, int] = field(default_factory=dict)  # hash of a request → shard that has it

    def lines(self, paths: list[Path]) -> Iterator[bytes]:
        """The lines of all shards; of a request that several have asked, those of the first.

        The other rows get a copy of its answer, as in an undivided run.
        """
        for number, path in enumerate(paths, 1):
            for answer in read_records(path, Answer):
                self._check(answer, number, path)
                if self.keys.setdefault(hash(answer.key), number) == number:
                    self.written += 1
                    yield answer.model_dump_json().encode() + b"\n"

    def _check(self, answer: Answer, number: int, path: Path) -> None:
        place = hash((answer.row, answer.sample))
        if place in self.places:
            raise DataError(
                f"{path}: row {answer.row}, answer {answer.sample} is there twice; run `python -m "
                f"teacher CONFIG generate --shard {number}/{self.count}` again"
            )
        self.places.add(place)
        home = shard_number(answer.row, self.count)
        if home != number:
            raise DataError(
                f"{path}: row {answer.row} belongs into shard {home} of {self.count}; was the file "
                "renamed? remove it and make that shard again"
            )
