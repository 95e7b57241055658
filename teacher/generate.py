"""Asks the prompted model: the teacher arm on val, the candidates per row to learn from; and the
base without the prompt, whose answers to the train rows they must beat.

Candidates are drawn in rounds, one per row and round, each round with its own order of the worked
examples: a row is asked no more once enough of its candidates break no rule. The second half of
the rounds then goes to the rows that need it, and costs little. Where no candidate is obedient one
more may follow (`teacher.repair`).
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from config.judging import ServerSettings
from config.schema import Config
from config.teaching import TeacherSettings
from data.rows import Row
from data.run_paths import RunPaths
from data.shards import UNSHARDED, Shard
from engine.base import Engine
from engine.batch_job import BatchJob, JobSummary, Task, run_job
from engine.request_builder import RequestBuilder, View
from judge.labels import best_by_row
from teacher.rejection_sampling import is_settled
from teacher.repair import repair_tasks
from teacher.scoring import BASE, ScoredCandidate, Scorer

ARMS = (BASE, "teacher", "scored/teacher", "candidates/train", "candidates/val")
_AT_ONCE = 10_000  # rows whose candidates are drawn together; only those are held


class Sources(NamedTuple):
    """Who answers, who judges, and which part of the rows is asked about."""

    engine: Engine
    base: Engine | None = None  # the student's base, where `engine` is another model
    judge: ServerSettings | None = None  # a running server for `teacher.judged`
    part: Shard = UNSHARDED

    def close(self) -> None:
        """Frees the models."""
        for one in (self.engine, self.base):
            if one is not None:
                one.close()


def generate(config: Config, sources: Sources, accept_changes: bool) -> dict[str, JobSummary]:
    """Writes the base's answers to train, the teacher arm and the candidates of train and val.

    Of a part of the rows into files of its own: they are what those rows have in the whole. Returns
    what was done by arm.
    """
    made = _Generation(config, sources, accept_changes)
    done = {BASE: made.ask_base()}
    done |= made.ask_val()
    for split in ("train", "val"):
        done[f"candidates/{split}"] = made.draw(split)
    return done


class _Generation:
    def __init__(self, config: Config, sources: Sources, accept_changes: bool) -> None:
        self._config, self._sources, self._accept = config, sources, accept_changes
        self._run = RunPaths.of(config)
        self._asking = RequestBuilder(config, identity=sources.engine.identity)
        builder = self._asking
        self._scorer = Scorer(config, builder.prompt, builder.rules, sources.judge)

    def ask_base(self) -> JobSummary:
        """The train rows, as the student's base answers them without the prompt."""
        sources, config = self._sources, self._config
        builder, bare, sampling = (
            RequestBuilder(config),
            View(prompted=False),
            config.predict.sampling,
        )
        meaning = builder.fingerprint(bare, sampling, candidate_rows(config, "train"))
        engine = sources.base or sources.engine
        with BatchJob(engine, self._path(BASE), meaning, self._accept) as job:
            for rows in self._chunks("train"):
                tasks = builder.tasks(BASE, rows, bare, sampling)
                if sources.judge is None:
                    job.run(tasks)
                else:  # judged now, while the judge is there: the choice reads its replies
                    self._scorer.score(job.answers(tasks), {row.id: row for row in rows})
            done = job.summary
        if sources.base is not None:
            sources.base.close()  # the memory is the teacher's now
        return done

    def ask_val(self) -> dict[str, JobSummary]:
        """The teacher's answers to val, and what it thinks of the logged ones."""
        builder, val = self._asking, self._run.rows("val")
        own = [row for row in val if self._sources.part.contains(row.id)]
        view, sampling = View(prompted=True), self._config.predict.sampling
        given = best_by_row(own) if self._config.teacher.engine.scores else {}
        tasks: dict[str, Iterable[Task]] = {
            "teacher": builder.tasks("teacher", own, view, sampling),
            "scored/teacher": builder.scoring_tasks("scored/teacher", own, view, given),
        }
        meaning = builder.fingerprint(view, sampling, val)
        return {
            arm: run_job(self._sources.engine, some, self._path(arm), meaning, self._accept)
            for arm, some in tasks.items()
        }

    def draw(self, split: Literal["train", "val"]) -> JobSummary:
        """The candidates of one split."""
        config, builder, arm = self._config, self._asking, f"candidates/{split}"
        meaning = {
            **builder.fingerprint(
                View(prompted=True), config.teacher.sampling, candidate_rows(config, split)
            ),
            "candidates": config.teacher.candidates,
            "shuffle_examples": config.teacher.shuffle_examples,
        }
        lost = 0
        with BatchJob(self._sources.engine, self._path(arm), meaning, self._accept) as job:
            for rows in self._chunks(split):
                lost += sum(builder.fit_contexts(row).dropped_before(row) for row in rows)
                draw_candidates(job, builder, self._scorer, arm, rows)
            done = job.summary
        if lost:
            print(f"{arm}: {lost} passages of first turns do not fit and are not shown")
        return done

    def _path(self, arm: str) -> Path:
        return self._run.answers(arm + self._sources.part.suffix)

    def _chunks(self, split: Literal["train", "val"]) -> Iterator[list[Row]]:
        rows = (
            row
            for row in candidate_rows(self._config, split)
            if self._sources.part.contains(row.id)
        )
        while chunk := list(islice(rows, _AT_ONCE)):
            yield chunk


def candidate_rows(config: Config, split: Literal["train", "val"]) -> Iterator[Row]:
    """The rows that candidates are drawn for: those to learn, and those looked at in training."""
    run = RunPaths.of(config)
    if split == "train":
        return run.training_rows(config)
    return islice(run.iter_rows("val"), config.predict.eval_rows)


def draw_candidates(
    job: BatchJob, builder: RequestBuilder, scorer: Scorer, arm: str, rows: Sequence[Row]
) -> list[ScoredCandidate]:
    """At most `teacher.candidates` answers per row, until `teacher.keep` of them break no rule; one
    more, if it is wanted, where none is obedient."""
    teacher = builder.config.teacher
    orders = candidate_orders(teacher, len(builder.prompt.examples), builder.config.seed)
    by_id = {row.id: row for row in rows}
    drawn: dict[str, list[ScoredCandidate]] = {row.id: [] for row in rows}
    waiting = list(rows)
    for sample, order in enumerate(orders):
        view = View(prompted=True, order=order)
        tasks = builder.tasks(arm, waiting, view, teacher.sampling, sample)
        for one in scorer.score(job.answers(tasks), by_id):
            drawn[one.answer.row].append(one)
        waiting = [row for row in waiting if not is_settled(drawn[row.id], teacher.keep)]
    every = [one for of_row in drawn.values() for one in of_row]
    if teacher.repair:
        mending = repair_tasks(builder, arm, by_id, every)
        every += scorer.score(job.answers(mending), by_id)
    return every


def candidate_orders(
    teacher: TeacherSettings, examples: int, seed: int
) -> list[tuple[int, ...] | None]:
    """The order that each candidate of a row sees; None: as written."""
    if not teacher.shuffle_examples:
        return [None] * teacher.candidates
    return list(example_orders(examples, teacher.candidates, seed))


def example_orders(count: int, candidates: int, seed: int) -> list[tuple[int, ...]]:
    """`candidates` orders of `count` examples: as written, then one that ends with each example.

    What comes before the last example is shuffled; past the last example it begins again.
    """
    rng = random.Random(seed)
    orders = [tuple(range(count))]
    for candidate in range(1, candidates):
        last = (candidate - 1) % count if count else 0
        rest = [index for index in range(count) if index != last]
        rng.shuffle(rest)
        orders.append((*rest, last) if count else ())
    return orders
