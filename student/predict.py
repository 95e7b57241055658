"""Answers val and hidden without the prompt, chooses the best student, and saves it to serve."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from config.schema import Config, StudentSettings
from data.answers import Answer, read_answers
from data.hidden import write_hidden
from data.rows import Row
from data.run import Run
from data.store import write_text
from engine.asking import Asking, View
from engine.job import Task, run_job
from engine.protocol import Adapter, Engine
from judge.board import strict
from judge.checks import code_verdicts
from judge.reference import best_by_row
from student.records import Choice, Ranked
from student.train import read_result


class Predictor:
    """Asks one engine for every unprompted arm of a run."""

    def __init__(self, config: Config, engine: Engine, accept_changes: bool) -> None:
        self.config = config
        self.run = Run.of(config)
        self.asking = Asking(config)
        self._engine = engine
        self._accept = accept_changes

    def answer(self, arm: str, rows: Sequence[Row], view: View) -> None:
        """Answers `rows` into `answers/<arm>.jsonl`."""
        tasks = self.asking.tasks(arm, rows, view, self.config.predict.sampling)
        self._ask(arm, rows, view, tasks)

    def compare(self, arm: str, rows: Sequence[Row], view: View) -> None:
        """Answers `rows`, and scores their best logged answers into `answers/scored/`."""
        self.answer(arm, rows, view)
        scored = f"scored/{arm}"
        tasks = self.asking.scoring(scored, rows, view, best_by_row(rows))
        self._ask(scored, rows, view, tasks)

    def _ask(self, arm: str, rows: Sequence[Row], view: View, tasks: Sequence[Task]) -> None:
        meaning = self.asking.meaning(view, self.config.predict.sampling, rows)
        done = run_job(self._engine, tasks, self.run.answers(arm), meaning, self._accept)
        print(
            f"{arm}: {done.asked} asked, {done.reused} reused, "
            f"{done.too_long} too long, {done.cut} cut"
        )

    def adapter(self, student: StudentSettings) -> Adapter:
        """The trained adapter of a student. Raises DataError when it is not trained."""
        folder = self.run.student(student.name)
        return Adapter(student.name, folder / "adapter", read_result(folder).adapter_sha256)


def predict(config: Config, engine: Engine, accept_changes: bool) -> Choice:
    """Every arm on val; then, with the best student, val with the prompt, and the hidden set."""
    predictor = Predictor(config, engine, accept_changes)
    run, val = predictor.run, predictor.run.rows("val")
    predictor.compare("base", val, View(prompted=False))
    for student in config.students:
        adapter = predictor.adapter(student)
        predictor.compare(f"student/{student.name}", val, View(False, adapter))
    choice = choose(config, predictor.asking)
    best = next(student for student in config.students if student.name == choice.best)
    adapter = predictor.adapter(best)
    predictor.answer(f"student/{best.name}+prompt", val, View(True, adapter))
    _save(run, adapter)
    hidden = run.rows("hidden")
    if hidden:
        predictor.answer("hidden/base", hidden, View(prompted=False))  # to compare with
        arm = f"hidden/{best.name}"
        predictor.answer(arm, hidden, View(False, adapter))
        _write_hidden(config, hidden, run.answers(arm))
    write_text(run.choice, choice.model_dump_json(indent=1) + "\n")
    return choice


def choose(config: Config, asking: Asking) -> Choice:
    """The student with the highest strict adherence on val; val loss decides between equals.

    The hidden set is never looked at for this.
    """
    run = Run.of(config)
    rows = {row.id: row for row in run.rows("val")}
    ranked = []
    for student in config.students:
        result = read_result(run.student(student.name))
        answers = read_answers(run.answers(f"student/{student.name}"))
        ranked.append(
            Ranked(
                name=student.name,
                strict=_strict_share(asking, rows, answers),
                val_loss=result.val_loss,
                best_epoch=result.best_epoch,
                settings=student.model_dump(mode="json", exclude={"name"}),
                seconds=result.seconds,
            )
        )
    ranked.sort(key=lambda one: (-(one.strict or 0), one.val_loss or 0))
    best = ranked[0]
    rate = "no rule decided" if best.strict is None else f"strict adherence {best.strict:.1%}"
    why = f"{rate} on {len(rows)} val rows by the code rules, the highest of {len(ranked)}"
    if len(ranked) > 1 and ranked[1].strict == best.strict:
        why += "; equal to the next, and lower val loss"
    return Choice(best=best.name, why=why, ranked=tuple(ranked))


def _strict_share(asking: Asking, rows: dict[str, Row], answers: Sequence[Answer]) -> float | None:
    scores = []
    for answer in answers:
        row = answer.shown(rows[answer.row])
        verdicts = code_verdicts(asking.rules, asking.prompt, row, answer)
        scores.append(strict(verdicts, asking.rules))
    decided = [score for score in scores if score is not None]
    return sum(decided) / len(decided) if decided else None


def _save(run: Run, adapter: Adapter) -> None:
    """The best adapter in `best/adapter`; the report adds the model card."""
    target = run.best / "adapter"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(adapter.path, target)


def _write_hidden(config: Config, rows: Sequence[Row], answers: Path) -> None:
    source = config.data.hidden
    assert source is not None  # there are hidden rows
    texts = {answer.row: answer.text for answer in read_answers(answers)}
    out = Run.of(config).best / f"hidden_answers{Path(source.path).suffix}"
    unanswered = write_hidden(source, Path(), texts, "answer", out)
    print(f"hidden: {len(rows)} answers in {out}")
    if unanswered:
        print(f"hidden: without an answer, left empty: {', '.join(unanswered)}")
