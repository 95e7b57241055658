"""Answers val and hidden without the prompt, chooses and exports the best student."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from config.console import print
from config.peft_methods import LoraMethod
from config.schema import Config
from config.training import StudentSettings
from data.answers import read_answers
from data.atomic_write import write_text
from data.file_mode import give_usual_mode
from data.readers.write_back import answers_suffix, write_back
from data.rows import Row
from data.run_paths import RunPaths
from engine.base import Adapter, Engine
from engine.batch_job import Task, run_job
from engine.factory import local_engine
from engine.merge_adapter import ADAPTER_CONFIG, save_merged
from engine.models import resolve_base
from engine.request_builder import RequestBuilder, View
from judge.labels import best_by_row
from prompts.prompt_text import logged_prompt
from prompts.serving_template import serving_template
from student.checkpoint import check_weights, writing
from student.evaluate import adherence
from student.records import RankedStudent, StudentChoice, best_first, reason
from student.train import read_result


class Engines(NamedTuple):
    """The engines. Each loads a model at its first request and frees it when closed."""

    usual: Engine  # vLLM, or transformers where it is not installed
    live: Engine  # transformers, for students that vLLM cannot serve; may be the usual one


@contextmanager
def open_engines(config: Config) -> Iterator[Engines]:
    """The engines of an experiment's students. Frees them at the end."""
    from engine.hf_engine import HfEngine

    model = config.model
    with ExitStack() as stack:
        usual = stack.enter_context(closing(local_engine(config, model, _max_lora_rank(config))))
        live = usual
        if not isinstance(usual, HfEngine):
            live = HfEngine(resolve_base(model), model.max_length, model.dtype)
            stack.enter_context(closing(live))
        yield Engines(usual, live)


def _max_lora_rank(config: Config) -> int:
    """The highest adapter rank that vLLM must support; 0 where a student must be merged.

    With 0 vLLM serves no adapters, and every student is merged into the weights.
    """
    methods = [student.method for student in config.students]
    if any(method.served == "folded" for method in methods):
        return 0
    return max((method.rank for method in methods if isinstance(method, LoraMethod)), default=0)


class Predictor:
    """Answers the arms of a run with one model in memory at a time."""

    def __init__(self, config: Config, engines: Engines, accept_changes: bool) -> None:
        self.config = config
        self.run = RunPaths.of(config)
        self.builder = RequestBuilder(config)
        self._engines = engines
        self._accept_changes = accept_changes

    def answer(self, arm: str, rows: Sequence[Row], view: View) -> None:
        """Writes the answers to `rows` into `answers/<arm>.jsonl`."""
        tasks = self.builder.tasks(arm, rows, view, self.config.predict.sampling)
        self._run(arm, rows, view, tasks)

    def answer_and_score(self, arm: str, rows: Sequence[Row], view: View) -> None:
        """As `answer`; also writes the logprobs of the best logged answers to `answers/scored/`."""
        self.answer(arm, rows, view)
        scored = f"scored/{arm}"
        tasks = self.builder.scoring_tasks(scored, rows, view, best_by_row(rows))
        self._run(scored, rows, view, tasks)

    def _run(self, arm: str, rows: Sequence[Row], view: View, tasks: Iterable[Task]) -> None:
        fingerprint = self.builder.fingerprint(view, self.config.predict.sampling, rows)
        engine = self._engine(view.adapter)
        counts = run_job(engine, tasks, self.run.answers(arm), fingerprint, self._accept_changes)
        print(
            f"{arm}: {counts.requested} requested, {counts.reused} reused, "
            f"{counts.too_long} too long, {counts.truncated} truncated, "
            f"{counts.reasoning_cut} without their reasoning"
        )

    def adapter(self, student: StudentSettings) -> Adapter:
        """The trained adapter of a student. Raises DataError when it is not trained or damaged."""
        folder, served = self.run.student(student.name), student.method.served
        sha256 = read_result(folder).adapter_sha256
        check_weights(folder / "adapter", sha256)
        return Adapter(student.name, folder / "adapter", sha256, served)

    def _engine(self, adapter: Adapter | None) -> Engine:
        live = adapter is not None and adapter.served == "live"
        chosen, other = reversed(self._engines) if live else self._engines
        if other is not chosen:
            other.close()
        return chosen


def check_trained(config: Config) -> None:
    """Raises DataError when the data are not prepared or a student is not trained: in time."""
    run = RunPaths.of(config)
    run.check_prepared()
    for student in config.students:
        read_result(run.student(student.name))


def predict(config: Config, engines: Engines, accept_changes: bool) -> StudentChoice:
    """Answers val with every student; the best one also answers val prompted, and the hidden set.

    Students that vLLM cannot serve come first, then the base, with whose weights vLLM starts. So
    vLLM starts at most once.
    """
    predictor = Predictor(config, engines, accept_changes)
    run, val, hidden = predictor.run, predictor.run.rows("val"), predictor.run.rows("hidden")
    adapters = {student.name: predictor.adapter(student) for student in config.students}
    live = [adapter for adapter in adapters.values() if adapter.served == "live"]
    for adapter in live:
        predictor.answer_and_score(f"student/{adapter.name}", val, View(False, adapter))
    predictor.answer_and_score("base", val, View(prompted=False))
    if hidden:
        predictor.answer("hidden/base", hidden, View(prompted=False))  # for comparison
    for adapter in adapters.values():
        if adapter not in live:
            predictor.answer_and_score(f"student/{adapter.name}", val, View(False, adapter))
    choice = choose_best(config, predictor.builder)
    adapter = adapters[choice.best]
    predictor.answer(f"student/{choice.best}+prompt", val, View(True, adapter))
    _export(run, adapter, predictor.builder)
    if hidden:
        arm = f"hidden/{choice.best}"
        predictor.answer(arm, hidden, View(False, adapter))
        _write_hidden(config, hidden, run.answers(arm))
    write_text(run.choice, choice.model_dump_json(indent=1) + "\n")
    return choice


def choose_best(config: Config, builder: RequestBuilder) -> StudentChoice:
    """The first of the students by `best_first` on val; the hidden set plays no part."""
    run = RunPaths.of(config)
    rows, ranked = run.rows("val"), []
    for student in config.students:
        result = read_result(run.student(student.name))
        answers = read_answers(run.answers(f"student/{student.name}"))
        measured = adherence(builder, rows, answers)
        if len({answer.row for answer in answers}) < (1 - config.judge.max_missing) * len(rows):
            measured = measured._replace(strict=None, strict_by_case=None)  # comes last
        ranked.append(
            RankedStudent(
                name=student.name,
                strict=measured.strict,
                strict_by_case=measured.strict_by_case,
                val_loss=result.val_loss,
                best_epoch=result.best_epoch,
                settings=student.model_dump(mode="json", exclude={"name"}),
                seconds=result.seconds,
            )
        )
    ranked = best_first(ranked)
    return StudentChoice(best=ranked[0].name, why=reason(ranked, len(rows)), ranked=tuple(ranked))


def _export(run: RunPaths, adapter: Adapter, builder: RequestBuilder) -> None:
    """Writes `best/adapter`, `best/merged` for a student that servers take only merged, and the
    chat template to serve it with.

    The report adds the model card.
    """
    run.chat_template.unlink(missing_ok=True)
    for folder in (run.best / "adapter", run.best / "merged"):
        shutil.rmtree(folder, ignore_errors=True)
    size = sum(path.stat().st_size for path in adapter.path.iterdir())
    with writing(run.best, size):
        if (adapter.path / ADAPTER_CONFIG).exists():
            shutil.copytree(adapter.path, run.best / "adapter")
            give_usual_mode(run.best / "adapter")  # a training of before this may have left 0600
        if adapter.served == "folded":
            save_merged(
                builder.model, adapter.path, run.best / "merged", builder.config.model.dtype
            )
        template = serving_template(builder.renderer)
        if template is not None:
            write_text(run.chat_template, template)


def _write_hidden(config: Config, rows: Sequence[Row], answers: Path) -> None:
    source = config.data.hidden
    assert source is not None  # there are hidden rows
    texts = {answer.row: answer.text for answer in read_answers(answers)}
    out = RunPaths.of(config).best / f"hidden_answers{answers_suffix(source, Path())}"
    unanswered = write_back(source, Path(), texts, "answer", out, logged_prompt(config, Path()))
    print(f"hidden: {len(rows)} answers in {out}")
    if unanswered:
        print(f"hidden: without an answer, left empty: {', '.join(unanswered)}")
