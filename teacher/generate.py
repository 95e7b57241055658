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
from data.run import Run, Split
from engine.asking import Asking, View
from engine.job import Job, Outcome, run_job
from engine.protocol import Engine
from judge.reference import best_by_row
from teacher.judged import BASE, Judged, Scorer
from teacher.orders import candidate_orders
from teacher.repair import repair_tasks
from teacher.select import is_settled


def generate(
    config: Config,
    engine: Engine,
    accept_changes: bool,
    judge: ServerSettings | None = None,
    base: Engine | None = None,
) -> dict[str, Outcome]:
    """Writes the teacher arm, the base's answers to train and the candidates of train and val.

    `judge`: a running server for `teacher.judged`; `base`: the student's base, where `engine` is
    another model. Returns what was done by arm.
    """
    run, asking = Run.of(config), Asking(config, identity=engine.identity)
    train, val = run.training(config), run.rows("val")
    scorer = Scorer(config, asking.prompt, asking.rules, judge)
    prompted, sampling = View(prompted=True), config.predict.sampling
    done = {BASE: _ask_base(config, base or engine, train, accept_changes)}
    if base is not None:
        base.close()  # the memory is the teacher's now
    given = best_by_row(val) if config.teacher.engine.scores else {}
    tasks = {
        "teacher": asking.tasks("teacher", val, prompted, sampling),
        "scored/teacher": asking.scoring("scored/teacher", val, prompted, given),
    }
    meaning = asking.meaning(prompted, sampling, val)
    for arm, some in tasks.items():
        done[arm] = run_job(engine, some, run.answers(arm), meaning, accept_changes)
    lost = sum(asking.kept(row).dropped_before(row) for row in train)
    if lost:
        print(f"{lost} passages of first turns do not fit and are not shown")
    # judged now, while the judge is there: the choice reads its replies
    scorer.score(read_answers(run.answers(BASE)), {row.id: row for row in train})
    for split, rows in candidate_rows(config, run).items():
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


def _ask_base(config: Config, engine: Engine, rows: Sequence[Row], accept_changes: bool) -> Outcome:
    asking, bare, sampling = Asking(config), View(prompted=False), config.predict.sampling
    tasks, meaning = asking.tasks(BASE, rows, bare, sampling), asking.meaning(bare, sampling, rows)
    return run_job(engine, tasks, Run.of(config).answers(BASE), meaning, accept_changes)


def candidate_rows(config: Config, run: Run) -> dict[Split, list[Row]]:
    """The rows that candidates are drawn for: those to learn, and those looked at in training."""
    return {"train": run.training(config), "val": run.rows("val")[: config.predict.epoch_rows]}


def draw_candidates(
    job: Job, asking: Asking, scorer: Scorer, arm: str, rows: Sequence[Row]
) -> list[Judged]:
    """At most `teacher.candidates` answers per row, until `teacher.keep` of them break no rule; one
    more, if it is wanted, where none is obedient."""
    teacher = asking.config.teacher
    orders = candidate_orders(teacher, len(asking.prompt.examples), asking.config.seed)
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
