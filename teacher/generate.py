"""Samples the teacher: the teacher arm on val, the candidates to learn from, and the base's answers
to the train rows without the prompt, which selected candidates must beat.

Candidates come in rounds, one per row and round, and each round shows the worked examples in
another order. A row with enough flawless candidates drops out, so the later rounds are cheap. With
`teacher.guided`, rounds of guided candidates follow for rows of which none passes the must-rules.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from config.console import print
from config.judging import ServerSettings
from config.schema import Config
from data.fingerprint import Fingerprint
from data.rows import Row
from data.run_paths import RunPaths
from data.shards import UNSHARDED, Shard
from engine.base import Engine
from engine.batch_job import BatchJob, JobSummary, Task, run_job
from engine.openai_batch import MissingResults
from engine.request_builder import RequestBuilder, View
from judge.evaluation_rows import evaluation_rows
from judge.labels import best_by_row
from prompts.prompt_file import load_prompt
from teacher.example_orders import example_orders
from teacher.guided.guided_tasks import GUIDED_ROUNDS, GuidedTasks, best_failed, no_prefill
from teacher.rejection_sampling import is_settled
from teacher.scored_candidate import ScoredCandidate
from teacher.scoring import BASE_ARM, Scorer
from teacher.verdict_store import VerdictStore, open_verdicts

SAMPLED_ARMS = (BASE_ARM, "teacher", "scored/teacher", "candidates/train", "candidates/val")
_CHUNK = 10_000  # rows that are held and sampled together

CandidateSplit = Literal["train", "val"]


class TeacherModels(NamedTuple):
    """The models that answer, and the one that scores."""

    engine: Engine
    base: Engine | None = None  # the student's base, where `engine` is another model
    judge: ServerSettings | None = None  # a running server for `teacher.score_with_llm`

    def close(self) -> None:
        """Frees the engines."""
        self.engine.close()
        if self.base is not None:
            self.base.close()


def generate(
    config: Config, models: TeacherModels, accept_changes: bool, shard: Shard = UNSHARDED
) -> dict[str, JobSummary]:
    """Answers every arm of the teacher, for the rows of one shard; returns a summary by arm.

    A shard has files of its own, with the answers that an undivided run gives to its rows.
    Where results of a batch are missing, the others are stored first, and the error follows.
    """
    run = _Generation(config, models, accept_changes, shard)
    run.note_no_prefill()
    summaries = {BASE_ARM: run.sample_base()}
    summaries |= run.sample_val()
    for split in ("train", "val"):
        summaries[f"candidates/{split}"] = run.sample_candidates(split)
    if run.missing is not None:
        raise run.missing
    return summaries


class _Generation:
    def __init__(
        self, config: Config, models: TeacherModels, accept_changes: bool, shard: Shard
    ) -> None:
        self._config, self._models = config, models
        self._accept_changes, self._shard = accept_changes, shard
        self._run = RunPaths.of(config)
        self.missing: MissingResults | None = None  # of the first chunk that lacks candidates
        self._builder = RequestBuilder(config, identity=models.engine.identity)
        self._scorer = Scorer(config, self._builder.prompt, self._builder.rules, models.judge)

    def note_no_prefill(self) -> None:
        """Says so where guided candidates lack the prefilled ones."""
        if self._config.teacher.guided and (reason := no_prefill(self._builder)):
            print(f"teacher.guided: no answers are prefilled: {reason}")

    def sample_base(self) -> JobSummary:
        """The base's answers to the train rows, without the prompt."""
        models, config = self._models, self._config
        builder = RequestBuilder(config)
        view, sampling = View(prompted=False), config.predict.sampling
        fingerprint = builder.fingerprint(view, sampling, candidate_rows(config, "train"))
        with (
            self._job(models.base or models.engine, BASE_ARM, fingerprint) as job,
            open_verdicts(self._path(BASE_ARM)) as store,
        ):
            for rows in self._chunks("train"):
                answers = job.answers(builder.tasks(BASE_ARM, rows, view, sampling))
                self._scorer.score(answers, {row.id: row for row in rows}, store)
            summary = job.summary
        if models.base is not None:
            models.base.close()  # frees its memory for the teacher
        return summary

    def sample_val(self) -> dict[str, JobSummary]:
        """The teacher's answers to val, and its log-probabilities of the logged answers."""
        builder, val = self._builder, self._run.rows("val")
        rows = [row for row in val if self._shard.contains(row.id)]
        view, sampling = View(prompted=True), self._config.predict.sampling
        logged = best_by_row(rows) if self._config.teacher.engine.scores else {}
        tasks: dict[str, Iterable[Task]] = {
            "teacher": builder.tasks("teacher", rows, view, sampling),
            "scored/teacher": builder.scoring_tasks("scored/teacher", rows, view, logged),
        }
        fingerprint, engine = builder.fingerprint(view, sampling, val), self._models.engine
        return {
            arm: run_job(engine, of_arm, self._path(arm), fingerprint, self._accept_changes)
            for arm, of_arm in tasks.items()
        }

    def sample_candidates(self, split: CandidateSplit) -> JobSummary:
        """The candidates of one split, scored."""
        builder, arm, teacher = self._builder, f"candidates/{split}", self._config.teacher
        rows = candidate_rows(self._config, split)
        fingerprint = {
            **builder.fingerprint(View(prompted=True), teacher.sampling, rows),
            "candidates": teacher.candidates,
            "shuffle_examples": teacher.shuffle_examples,
        }
        dropped = 0
        with (
            self._job(self._models.engine, arm, fingerprint) as job,
            open_verdicts(self._path(arm)) as store,
        ):
            for chunk in self._chunks(split):
                dropped += sum(builder.fit_contexts(row).dropped_from_history(row) for row in chunk)
                try:
                    self._sample_chunk(job, store, arm, chunk)
                except MissingResults as error:  # other chunks may have theirs
                    self.missing = self.missing or error
            summary = job.summary
        if dropped:
            print(f"{arm}: {dropped} passages of first turns do not fit and are not shown")
        return summary

    def _sample_chunk(
        self, job: BatchJob, store: VerdictStore, arm: str, rows: Sequence[Row]
    ) -> None:
        """Samples at most `teacher.candidates` answers per row, until `teacher.max_selected` of
        them are flawless; then guided ones, if configured, until one passes the must-rules."""
        builder, teacher = self._builder, self._config.teacher
        by_id = {row.id: row for row in rows}
        candidates: dict[str, list[ScoredCandidate]] = {row.id: [] for row in rows}

        def sample(tasks: Iterable[Task]) -> None:
            for candidate in self._scorer.score(job.answers(tasks), by_id, store):
                candidates[candidate.answer.row].append(candidate)

        unsettled = list(rows)
        orders = example_orders(teacher, len(builder.prompt.examples), self._config.seed)
        for number, order in enumerate(orders):
            view = View(prompted=True, order=order)
            sample(builder.tasks(arm, unsettled, view, teacher.sampling, number))
            unsettled = [
                row for row in unsettled if not is_settled(candidates[row.id], teacher.max_selected)
            ]
        if not teacher.guided:
            return
        guided = GuidedTasks(builder, arm)
        ordinary = {row.id: tuple(candidates[row.id]) for row in unsettled}
        for number in range(len(GUIDED_ROUNDS)):
            unsettled = [row for row in unsettled if best_failed(candidates[row.id]) is not None]
            sample(guided.tasks(number, unsettled, ordinary))

    def _job(self, engine: Engine, arm: str, fingerprint: Fingerprint) -> BatchJob:
        return BatchJob(engine, self._path(arm), fingerprint, self._accept_changes)

    def _path(self, arm: str) -> Path:
        return self._run.answers(arm + self._shard.suffix)

    def _chunks(self, split: CandidateSplit) -> Iterator[list[Row]]:
        rows = (row for row in candidate_rows(self._config, split) if self._shard.contains(row.id))
        while chunk := list(islice(rows, _CHUNK)):
            yield chunk


def candidate_rows(config: Config, split: CandidateSplit) -> Iterator[Row]:
    """The rows that candidates are sampled for: the training rows, and the val rows that each
    evaluation during training answers."""
    run = RunPaths.of(config)
    if split == "train":
        return run.training_rows(config)
    _, rules = load_prompt(config.prompt, Path())
    return iter(evaluation_rows(rules, run.rows("val"), config.predict.eval_rows))
