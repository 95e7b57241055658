"""Writes the teacher's requests as batch files, all at once.

A batch takes hours, so candidates cannot come in rounds: all candidates of every row are requested,
and `collect` uses as many of them as the rounds would have sampled.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from config.schema import Config
from data.answers import read_answers
from data.run_paths import RunPaths
from engine.batch_job import Task
from engine.factory import batch_folder, teacher_codec
from engine.request_builder import RequestBuilder, View
from teacher.generate import CandidateSplit, candidate_rows, example_orders


class PreparedBatch(NamedTuple):
    """The batch files that were written."""

    files: list[Path]
    requests: int  # in the files
    answered: int  # requests left out, because they have an answer
    failures: Counter[str]  # what the server said to requests in the files that failed before


def prepare_batch(config: Config) -> PreparedBatch:
    """Writes the requests without an answer; replaces earlier files."""
    folder, chat = batch_folder(config), teacher_codec(config)
    builder = RequestBuilder(config, identity=chat.identity)
    results, run = folder.read_results(), RunPaths.of(config)
    requests = {
        task.request.key: task.request
        for task in _tasks(builder, run)
        if task.request.length <= config.model.max_length
    }
    arms = ("teacher", "candidates/train", "candidates/val")
    stored = {answer.key for arm in arms for answer in read_answers(run.answers(arm))}
    missing = [
        request for key, request in requests.items() if key not in results and key not in stored
    ]
    failures = Counter(results.failed[r.key] for r in missing if r.key in results.failed)
    files = folder.write(missing, chat)
    return PreparedBatch(files, len(missing), len(requests) - len(missing), failures)


def _tasks(builder: RequestBuilder, run: RunPaths) -> Iterator[Task]:
    config = builder.config
    val = run.rows("val")
    yield from builder.tasks("teacher", val, View(prompted=True), config.predict.sampling)
    orders = example_orders(config.teacher, len(builder.prompt.examples), config.seed)
    splits: tuple[CandidateSplit, ...] = ("train", "val")
    for split in splits:
        rows, arm = list(candidate_rows(config, split)), f"candidates/{split}"
        for sample, order in enumerate(orders):
            view = View(prompted=True, order=order)
            yield from builder.tasks(arm, rows, view, config.teacher.sampling, sample)
