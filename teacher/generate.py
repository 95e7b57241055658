"""Asks the prompted model: the teacher arm on val, and the candidates per row to learn from.

Candidates are drawn in rounds, one per row and round, each round with its own order of the worked
examples: a row is asked no more once enough of its candidates break no rule. The second half of
the rounds then goes to the rows that need it, and costs little.
"""

from collections.abc import Sequence

from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run import Run
from engine.asking import Asking, View
from engine.job import Job, Outcome, run_job
from engine.protocol import Engine
from judge.checks import code_verdicts
from judge.reference import best_by_row
from teacher.orders import example_orders
from teacher.select import is_settled


def generate(config: Config, engine: Engine, accept_changes: bool) -> dict[str, Outcome]:
    """Writes the teacher arm and the candidates of train and val; returns what was done by arm."""
    run, asking = Run.of(config), Asking(config)
    val = run.rows("val")
    view, sampling = View(prompted=True), config.predict.sampling
    tasks = {
        "teacher": asking.tasks("teacher", val, view, sampling),
        "scored/teacher": asking.scoring("scored/teacher", val, view, best_by_row(val)),
    }
    meaning = asking.meaning(view, sampling, val)
    done = {
        arm: run_job(engine, some, run.answers(arm), meaning, accept_changes)
        for arm, some in tasks.items()
    }
    training = run.training(config)
    lost = sum(asking.kept(row).dropped_before(row) for row in training)
    if lost:
        print(f"{lost} passages of first turns do not fit and are not shown")
    for split, rows in (("train", training), ("val", val[: config.predict.epoch_rows])):
        arm = f"candidates/{split}"
        meaning = {
            **asking.meaning(View(prompted=True), config.teacher.sampling, rows),
            "candidates": config.teacher.candidates,
            "shuffle_examples": config.teacher.shuffle_examples,
        }
        with Job(engine, run.answers(arm), meaning, accept_changes) as job:
            draw_candidates(job, asking, arm, rows)
            done[arm] = job.outcome
    return done


def draw_candidates(job: Job, asking: Asking, arm: str, rows: Sequence[Row]) -> None:
    """At most `teacher.candidates` answers per row, until `teacher.keep` of them break no rule."""
    teacher = asking.config.teacher
    orders: list[tuple[int, ...] | None] = [None] * teacher.candidates
    if teacher.shuffle_examples:
        count = len(asking.prompt.examples)
        orders = list(example_orders(count, teacher.candidates, asking.config.seed))
    drawn: dict[str, list[Answer]] = {row.id: [] for row in rows}
    waiting = list(rows)
    for sample, order in enumerate(orders):
        view = View(prompted=True, order=order)
        tasks = asking.tasks(arm, waiting, view, teacher.sampling, sample)
        for row, answer in zip(waiting, job.answers(tasks), strict=True):
            drawn[row.id].append(answer)
        waiting = [row for row in waiting if not _settled(asking, row, drawn[row.id])]


def _settled(asking: Asking, row: Row, answers: Sequence[Answer]) -> bool:
    judged = [
        (answer, code_verdicts(asking.rules, asking.prompt, answer.shown(row), answer))
        for answer in answers
    ]
    return is_settled(judged, asking.config.teacher.keep)
