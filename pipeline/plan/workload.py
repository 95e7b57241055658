"""The tokens that each part of a run reads and writes: the most, and what is likely."""

from collections.abc import Sequence
from typing import NamedTuple

from config.schema import Config
from config.training import OnPolicy
from data.rows import Row
from engine.request_builder import RequestBuilder
from judge.checks.applicability import by_model
from judge.labels import best_by_row
from pipeline.plan.row_tokens import RowTokens
from pipeline.plan.training_steps import TrainingSteps
from teacher.guided.guided_tasks import GUIDED_ROUNDS


class Work(NamedTuple):
    """One part of a run. Likely figures: half of the candidates, typical answers, a warm cache."""

    calls: int  # at most
    most_read: int  # prompt tokens, before prefix caching
    most_written: int  # answer tokens
    likely_calls: float
    likely_read: float
    likely_written: float


def teacher_work(builder: RequestBuilder, tokens: Sequence[RowTokens], answer: int) -> Work:
    """The candidates for train and the evaluated val rows, and the teacher's answers to val."""
    config = builder.config
    teacher = config.teacher
    guided = [how for how in GUIDED_ROUNDS if how != "constructed"] if teacher.guided else []
    per_row = teacher.candidates + len(guided)
    fitting = [row for row in tokens if row.fits]
    train = [row for row in fitting if row.split == "train"]
    val = [row for row in fitting if row.split == "val"][: config.predict.eval_rows]
    sampled = [*train, *val]
    likely = (1 + per_row) / 2
    own = sum(row.unprompted for row in sampled)
    return Work(
        per_row * len(sampled),
        per_row * sum(row.prompted for row in sampled),
        per_row * len(sampled) * teacher.sampling.max_tokens,
        likely * len(sampled),
        likely * own,
        likely * len(sampled) * answer,
    )


def prediction_work(config: Config, tokens: Sequence[RowTokens], answer: int) -> Work:
    """The greedy answers of every arm, and the likelihood of the best logged answers."""
    rows = {
        split: [row for row in tokens if row.split == split] for split in ("train", "val", "hidden")
    }
    students = len(config.students)
    # val: base, students · hidden: base, best · train: base · prompted: teacher, best + prompt
    bare = [*rows["val"] * (1 + students), *rows["hidden"] * 2, *rows["train"]]
    prompted = rows["val"] * 2
    calls = len(bare) + len(prompted)
    read = sum(row.unprompted for row in bare) + sum(row.prompted for row in prompted)
    likely_read = sum(row.unprompted for row in (*bare, *prompted))
    limit = config.predict.sampling.max_tokens
    return Work(calls, read, calls * limit, calls, likely_read, calls * min(answer, limit))


def scored_answers(config: Config, val: Sequence[Row]) -> int:
    """The logged answers whose likelihood is asked: of base, students, and a teacher that can."""
    arms = 2 + len(config.students) + config.teacher.engine.scores
    return arms * sum(map(len, best_by_row(val).values()))


class TrainingWork(NamedTuple):
    """The tokens of one student's training."""

    read: float  # positions in the student's passes, over all epochs
    taught: float  # positions in the teacher's passes beside them
    written: float  # answer tokens by transformers: evaluations, and on_policy's own answers


def training_work(
    config: Config, plan: TrainingSteps, tokens: Sequence[RowTokens], answer: int
) -> TrainingWork:
    """The likely tokens of a student that learns one answer for every train row."""
    student = plan.student
    train = [row for row in tokens if row.split == "train" and row.fits]
    answers = config.teacher.max_selected
    read = sum(row.unprompted + answers * answer for row in train)
    behind = sum(row.prompted + answers * answer for row in train) * student.prompted_share
    evaluated = min(config.predict.eval_rows, sum(row.split == "val" for row in tokens))
    evaluations = plan.evaluations * evaluated * min(answer, config.predict.sampling.max_tokens)
    own = len(train) * answer * student.epochs * isinstance(student.objective, OnPolicy)
    return TrainingWork(
        student.epochs * (read + behind),
        student.epochs * read * student.needs_adapter_off,
        evaluations + own,
    )


def candidate_verdicts(builder: RequestBuilder, calls: int, train: int) -> int:
    """The judge's verdicts on candidates, at most; 0 where code alone scores them."""
    if not builder.config.teacher.score_with_llm:
        return 0
    return (calls + train) * sum(map(by_model, builder.rules.scored_rules()))
