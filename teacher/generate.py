"""Asks the prompted model: the teacher arm on val, and the candidates per row to learn from.

Candidates are drawn in rounds, one per row and round, each round with its own order of the worked
examples: a row is asked no more once enough of its candidates break no rule. The second half of
the rounds then goes to the rows that need it, and costs little.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from config.schema import Config
from data.answers import Answer
from data.rows import Row
from data.run import Run, Split
from data.shards import WHOLE, Part
from engine.asking import Asking, View
from engine.job import Job, Outcome, Task, run_job
from engine.protocol import Engine
from judge.checks import code_verdicts
from judge.reference import best_by_row
from teacher.orders import example_orders
from teacher.select import is_settled

ARMS = ("teacher", "scored/teacher", "candidates/train", "candidates/val")
_AT_ONCE = 10_000  # rows whose candidates are drawn together; only those are held


def generate(
    config: Config, engine: Engine, accept_changes: bool, part: Part = WHOLE
) -> dict[str, Outcome]:
    """Writes the teacher arm and the candidates of train and val; returns what was done by arm.

    Of a `part` of the rows into files of its own: they are what those rows have in the whole.
    """
    run, asking = Run.of(config), Asking(config)
    val = run.rows("val")
    own = [row for row in val if part.holds(row.id)]
    view, sampling = View(prompted=True), config.predict.sampling
    tasks: dict[str, Iterable[Task]] = {
        "teacher": asking.tasks("teacher", own, view, sampling),
        "scored/teacher": asking.scoring("scored/teacher", own, view, best_by_row(own)),
    }
    meaning = asking.meaning(view, sampling, val)
    done = {
        arm: run_job(engine, some, run.answers(arm + part.suffix), meaning, accept_changes)
        for arm, some in tasks.items()
    }
    for split in ("train", "val"):
        arm = f"candidates/{split}"
        meaning = {
            **asking.meaning(view, config.teacher.sampling, _rows(config, split)),
            "candidates": config.teacher.candidates,
            "shuffle_examples": config.teacher.shuffle_examples,
        }
        with Job(engine, run.answers(arm + part.suffix), meaning, accept_changes) as job:
            rows = (row for row in _rows(config, split) if part.holds(row.id))
            while chunk := list(islice(rows, _AT_ONCE)):
                draw_candidates(job, asking, arm, chunk)
            done[arm] = job.outcome
    return done


def _rows(config: Config, split: Split) -> Iterator[Row]:
    """The rows that have candidates: of val only those that are looked at every epoch."""
    rows = Run.of(config).each_row(split)
    return rows if split == "train" else islice(rows, config.predict.epoch_rows)


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
