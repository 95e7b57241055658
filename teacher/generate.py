"""Asks the prompted model: the teacher arm on val, the candidates per row to learn from; and the
base without the prompt, whose answers to the train rows they must beat.

Candidates are drawn in rounds, one per row and round, each round with its own order of the worked
examples: a row is asked no more once enough of its candidates break no rule. The second half of
the rounds then goes to the rows that need it, and costs little. Where no candidate is obedient one
more may follow (`teacher.repair`).
"""

from collections.abc import Sequence

from config.schema import Config, ServerSettings
from data.answers import read_answers
from data.rows import Row
from data.run import Run
from engine.asking import Asking, View
from engine.job import Job, Outcome, run_job
from engine.protocol import Engine
from judge.reference import best_by_row
from teacher.judged import BASE, Judged, Scorer
from teacher.orders import example_orders
from teacher.repair import repair_tasks
from teacher.select import is_settled


def generate(
    config: Config, engine: Engine, accept_changes: bool, judge: ServerSettings | None = None
) -> dict[str, Outcome]:
    """Writes the teacher arm, the base's answers to train and the candidates of train and val.

    `judge`: a running server for `teacher.judged`. Returns what was done by arm.
    """
    run, asking = Run.of(config), Asking(config)
    train, val = run.rows("train"), run.rows("val")
    scorer = Scorer(config, asking.prompt, asking.rules, judge)
    prompted, bare, sampling = View(prompted=True), View(prompted=False), config.predict.sampling
    tasks = {
        "teacher": (prompted, val, asking.tasks("teacher", val, prompted, sampling)),
        "scored/teacher": (
            *(prompted, val),
            asking.scoring("scored/teacher", val, prompted, best_by_row(val)),
        ),
        BASE: (bare, train, asking.tasks(BASE, train, bare, sampling)),
    }
    done = {
        arm: run_job(
            engine, some, run.answers(arm), asking.meaning(view, sampling, rows), accept_changes
        )
        for arm, (view, rows, some) in tasks.items()
    }
    # judged now, while the judge is there: the choice reads its replies
    scorer.score(read_answers(run.answers(BASE)), {row.id: row for row in train})
    for split, rows in (("train", train), ("val", val[: config.predict.epoch_rows])):
        arm = f"candidates/{split}"
        meaning = {
            **asking.meaning(prompted, config.teacher.sampling, rows),
            "candidates": config.teacher.candidates,
            "shuffle_examples": config.teacher.shuffle_examples,
        }
        with Job(engine, run.answers(arm), meaning, accept_changes) as job:
            draw_candidates(job, asking, scorer, arm, rows)
            done[arm] = job.outcome
    return done


def draw_candidates(
    job: Job, asking: Asking, scorer: Scorer, arm: str, rows: Sequence[Row]
) -> list[Judged]:
    """At most `teacher.candidates` answers per row, until `teacher.keep` of them break no rule; one
    more, if it is wanted, where none is obedient."""
    teacher = asking.config.teacher
    orders: list[tuple[int, ...] | None] = [None] * teacher.candidates
    if teacher.shuffle_examples:
        count = len(asking.prompt.examples)
        orders = list(example_orders(count, teacher.candidates, asking.config.seed))
    by_id = {row.id: row for row in rows}
    drawn: dict[str, list[Judged]] = {row.id: [] for row in rows}
    waiting = list(rows)
    for sample, order in enumerate(orders):
        view = View(prompted=True, order=order)
        tasks = asking.tasks(arm, waiting, view, teacher.sampling, sample)
        for one in scorer.score(job.answers(tasks), by_id):
            drawn[one.answer.row].append(one)
        waiting = [row for row in waiting if not is_settled(drawn[row.id], teacher.keep)]
    every = [one for of_row in drawn.values() for one in of_row]
    if teacher.repair:
        tasks = repair_tasks(asking, arm, by_id, every)
        every += scorer.score(job.answers(tasks), by_id)
    return every
