"""Asks the prompted model: the teacher arm on val, and n candidates per row to learn from."""

from collections.abc import Sequence

from config.schema import Config
from data.rows import Row
from data.run import Run
from engine.asking import Asking, View
from engine.job import Outcome, Task, run_job
from engine.protocol import Engine
from teacher.orders import example_orders


def candidate_tasks(asking: Asking, arm: str, rows: Sequence[Row]) -> list[Task]:
    """Every candidate of every row, those of one order together so that its prefix stays cached."""
    teacher = asking.config.teacher
    count = len(asking.prompt.examples)
    orders: list[tuple[int, ...] | None] = [None] * teacher.candidates
    if teacher.shuffle_examples:
        orders = list(example_orders(count, teacher.candidates, asking.config.seed))
    tasks = []
    for sample, order in enumerate(orders):
        view = View(prompted=True, order=order)
        tasks += asking.tasks(arm, rows, view, teacher.sampling, sample)
    return tasks


def generate(config: Config, engine: Engine, accept_changes: bool) -> dict[str, Outcome]:
    """Writes the teacher arm and the candidates of train and val; returns what was done by arm."""
    run, asking = Run.of(config), Asking(config)
    prompted = View(prompted=True)
    done = {}
    val = run.rows("val")
    sampling = config.predict.sampling
    done["teacher"] = run_job(
        engine,
        asking.tasks("teacher", val, prompted, sampling),
        run.answers("teacher"),
        asking.meaning(prompted, sampling, val),
        accept_changes,
    )
    for split, rows in (("train", run.rows("train")), ("val", val[: config.predict.epoch_rows])):
        arm = f"candidates/{split}"
        meaning = {
            **asking.meaning(prompted, config.teacher.sampling, rows),
            "candidates": config.teacher.candidates,
            "shuffle_examples": config.teacher.shuffle_examples,
        }
        tasks = candidate_tasks(asking, arm, rows)
        done[arm] = run_job(engine, tasks, run.answers(arm), meaning, accept_changes)
    return done
