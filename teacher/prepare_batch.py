"""Writes the teacher's requests as batch files, all at once.

A batch takes hours, so candidates cannot come in rounds: all candidates of every row are requested,
and `collect` uses as many of them as the rounds would have sampled. The guided candidates follow
once the ordinary ones are collected: again all of a row at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from config.schema import Config
from data.answers import read_answers
from data.rows import Row
from data.run_paths import RunPaths
from engine.batch_job import Task
from engine.factory import batch_folder, teacher_codec
from engine.request_builder import RequestBuilder, View
from teacher.example_orders import example_orders
from teacher.generate import CandidateSplit, candidate_rows
from teacher.guided.guided_tasks import GUIDED_ROUNDS, GuidedTasks
from teacher.scored_candidate import ScoredCandidate
from teacher.scoring import Scorer
from teacher.verdict_store import open_verdicts


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
        if config.teacher.guided:
            yield from _guided_tasks(builder, run.answers(arm), arm, rows)


def _guided_tasks(
    builder: RequestBuilder, path: Path, arm: str, rows: Sequence[Row]
) -> Iterator[Task]:
    """All guided tasks of the rows whose collected candidates all fail."""
    by_id = {row.id: row for row in rows}
    answers = [
        answer for answer in read_answers(path) if answer.how == "sampled" and answer.row in by_id
    ]
    if not answers:
        return
    ordinary: dict[str, list[ScoredCandidate]] = defaultdict(list)
    with open_verdicts(path) as store:
        for candidate in Scorer(builder.config, builder.prompt, builder.rules).score(
            answers, by_id, store
        ):
            ordinary[candidate.answer.row].append(candidate)
    # a row that fails has had every round
    count = builder.config.teacher.candidates
    collected = [row for row in rows if len(ordinary[row.id]) == count]
    guided = GuidedTasks(builder, arm)
    for number in range(len(GUIDED_ROUNDS)):
        for task in guided.tasks(number, collected, ordinary):
            if task.answer is None:
                yield task
