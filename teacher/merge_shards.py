"""Joins the shards of a teacher run and proves that no answer is missing or there twice.

`generate` itself goes through the joined answers with an engine that answers nothing: whatever it
would still ask is missing, and the file ends up in the order of an undivided run, byte for byte.
Files at the final places stay unchanged until all arms are proven.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from config.errors import DataError
from config.schema import Config
from data.answers import Answer, top_logprobs_path, verdicts_path
from data.atomic_write import replace_file
from data.file_lock import lock_file
from data.fingerprint import check_fingerprint, fingerprint_path, read_fingerprint
from data.jsonl import read_appended, whole_lines
from data.run_paths import RunPaths
from data.shards import Shard, shard_number, shard_paths
from data.stored_file import is_stored
from data.top_logprobs import merge_top_logprobs
from engine.base import Completion, Request
from engine.batch_job import UnansweredRows
from teacher.generate import SAMPLED_ARMS, TeacherModels, generate

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


class MergeSummary(NamedTuple):
    """One arm after the merge."""

    shards: int
    answers: int  # in the merged file
    too_long: int  # answers to rows whose prompt does not fit
    dropped: int  # answers that are no longer asked for, e.g. after `max_selected` was lowered


def merge_shards(config: Config, identity: str) -> dict[str, MergeSummary]:
    """Writes the answers of every arm of the teacher from its shards; returns a summary by arm.

    `identity`: of the engine that answered. Raises DataError naming an answer that is missing,
    duplicate, in the wrong shard, or from other settings; all files are then as before.
    """
    run = RunPaths.of(config)
    shards = {arm: shard_paths(run.answers(arm)) for arm in SAMPLED_ARMS}
    merged = {arm: run.answers(arm + _MERGING.suffix) for arm in SAMPLED_ARMS}
    counts: dict[str, int] = {}
    try:
        with ExitStack() as locks:
            for arm, paths in shards.items():
                for path in paths:
                    locks.enter_context(lock_file(path))
                counts[arm] = _join(paths, merged[arm])
        models = TeacherModels(_NoEngine(identity, config.model.max_length))
        summaries = generate(config, models, False, _MERGING)
        for arm in SAMPLED_ARMS:
            fingerprint = read_fingerprint(fingerprint_path(merged[arm]))
            check_fingerprint(fingerprint_path(run.answers(arm)), fingerprint, False)
        for arm in SAMPLED_ARMS:
            _move(merged[arm], run.answers(arm))
    except UnansweredRows as error:
        count = next(len(shards[arm]) for arm in SAMPLED_ARMS if merged[arm] == error.path)
        first, *others = sorted({shard_number(row, count) for row in error.rows})
        message = str(error).split("; run again")[0].replace(_MERGING.suffix, "")
        raise DataError(
            f"{message}; run `unprompted teacher CONFIG generate --shard {first}/{count}` again"
            + (f", and shards {', '.join(map(str, others))}" if others else "")
        ) from None
    finally:
        for path in merged.values():
            for leftover in path.parent.glob(f"{path.stem}.*"):
                leftover.unlink()
    return {
        arm: MergeSummary(
            len(shards[arm]), summary.answers, summary.too_long, counts[arm] - summary.reused
        )
        for arm, summary in summaries.items()
    }


def _move(merged: Path, path: Path) -> None:
    with lock_file(path):
        for file_path in (Path, top_logprobs_path, fingerprint_path, verdicts_path):
            source, target = file_path(merged), file_path(path)
            if source.exists():
                source.replace(target)
            else:
                target.unlink(missing_ok=True)  # e.g. log-probabilities no longer asked for


def _join(paths: list[Path], merged: Path) -> int:
    """Writes the merged file and those beside it; returns its number of answers."""
    fingerprints = [read_fingerprint(fingerprint_path(path)) for path in paths]
    for path, fingerprint in zip(paths, fingerprints, strict=True):
        if fingerprint != fingerprints[0]:
            raise DataError(f"{path}: was made with other settings than {paths[0]}; make it again")
    replace_file(merged, _joined(paths))
    check_fingerprint(fingerprint_path(merged), fingerprints[0], True)
    merge_top_logprobs([top_logprobs_path(path) for path in paths], top_logprobs_path(merged))
    verdicts = [path for path in map(verdicts_path, paths) if is_stored(path)]
    replace_file(verdicts_path(merged), _lines(verdicts))
    return sum(1 for _ in _lines([merged]))


def _lines(paths: list[Path]) -> Iterator[bytes]:
    """The whole lines of the files."""
    for path in paths:
        yield from whole_lines(path)


def _joined(paths: list[Path]) -> Iterator[bytes]:
    """The lines of all shards; checks that each answer is in its shard, once.

    A request that several shards asked keeps its first answer; the other rows get a copy of it, as
    in an undivided run.
    """
    count = len(paths)
    owners: set[int] = set()  # hashes of row and sample
    first_shards: dict[int, int] = {}  # hash of a request → first shard with it
    for number, path in enumerate(paths, 1):
        for answer in read_appended(path, Answer):
            owner = hash((answer.row, answer.sample))
            if owner in owners:
                raise DataError(
                    f"{path}: row {answer.row}, answer {answer.sample} is there twice; run "
                    f"`unprompted teacher CONFIG generate --shard {number}/{count}` again"
                )
            owners.add(owner)
            home = shard_number(answer.row, count)
            if home != number:
                raise DataError(
                    f"{path}: row {answer.row} belongs to shard {home} of {count}; if the file "
                    "was renamed, remove it and generate that shard again"
                )
            if first_shards.setdefault(hash(answer.key), number) == number:
                yield answer.model_dump_json().encode() + b"\n"
