"""The teacher by batch files: everything that may be asked is prepared at once.

A batch takes hours, so the candidates do not come in rounds: all of every row are prepared, and
`collect` takes as many of them as the rounds would have drawn.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from config.schema import Config
from data.answers import read_answers
from data.run_paths import RunPaths
from engine.base import Request
from engine.batch_job import Task
from engine.factory import batch_folder, teacher_codec
from engine.request_builder import RequestBuilder, View
from teacher.generate import candidate_orders, candidate_rows


class PreparedBatch(NamedTuple):
    """What has been written."""

    files: list[Path]
    requests: int  # in them
    there: int  # answers that have come back before
    failed: int  # of the requests: that came back as an error before


def prepare_batch(config: Config) -> PreparedBatch:
    """Writes the requests whose answers have not come back, in the place of earlier files."""
    folder, chat = batch_folder(config), teacher_codec(config)
    builder = RequestBuilder(config, identity=chat.identity)
    results, run = folder.read_results(), RunPaths.of(config)
    wanted: dict[str, Request] = {}
    for task in _tasks(builder, run):
        request = task.request
        if request.length <= config.model.max_length:
            wanted[request.key] = request
    arms = ("teacher", "candidates/train", "candidates/val")
    stored = {answer.key for arm in arms for answer in read_answers(run.answers(arm))}
    there = {key for key in wanted if key in results or key in stored}
    missing = [request for key, request in wanted.items() if key not in there]
    failed = sum(request.key in results.failed for request in missing)
    return PreparedBatch(folder.write(missing, chat), len(missing), len(there), failed)


def _tasks(builder: RequestBuilder, run: RunPaths) -> Iterator[Task]:
    config = builder.config
    view = View(prompted=True)
    yield from builder.tasks("teacher", run.rows("val"), view, config.predict.sampling)
    orders = candidate_orders(config.teacher, len(builder.prompt.examples), config.seed)
    splits: tuple[Literal["train", "val"], ...] = ("train", "val")
    for split in splits:
        rows = list(candidate_rows(config, split))
        for sample, order in enumerate(orders):
            view = View(prompted=True, order=order)
            arm = f"candidates/{split}"
            yield from builder.tasks(arm, rows, view, config.teacher.sampling, sample)
