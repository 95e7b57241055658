"""Tokens, minutes and memory of a run in lines, each marked as an estimate."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from config.backends import BatchBackend, OpenAiBackend, SeededBackend
from config.schema import Config
from config.training import StudentSettings
from data.rows import Row
from data.run_paths import Split
from engine.request_builder import RequestBuilder
from judge.inputs import JudgedSplit
from judge.judging_server import configured_server
from pipeline.plan.device_rates import RateRange, this_device
from pipeline.plan.estimate import (
    Estimator,
    duration_range,
    engine_line,
    judge_seconds,
    teacher_seconds,
)
from pipeline.plan.model_size import ModelSize, model_size
from pipeline.plan.row_tokens import answer_tokens, count_tokens
from pipeline.plan.training_memory import card_plan, training_gib
from pipeline.plan.training_steps import training_steps
from pipeline.plan.workload import (
    candidate_verdicts,
    prediction_work,
    scored_answers,
    teacher_work,
    training_work,
)
from student.memory_plan import Rows, plan_words

if TYPE_CHECKING:  # the HTTP client: heavy
    from judge.llm.dry_run import Plan

_CODE_S: RateRange = (2.0, 10.0)  # of scoring by rules in code alone, imports included


class RunPlan:
    """A run's rows, tokens and steps, and the device that computes them."""

    def __init__(
        self,
        builder: RequestBuilder,
        splits: Mapping[Split, Sequence[Row]],
    ) -> None:
        self._builder, self._config, self._splits = builder, builder.config, splits
        self.tokens = count_tokens(builder, splits)
        fitting = sum(row.split == "train" and row.fits for row in self.tokens)
        self.steps = training_steps(self._config, fitting)
        self._estimator = Estimator(this_device(), model_size(Path(builder.model)))
        self._answer = answer_tokens(builder, [*splits["train"], *splits["val"]])
        self._seconds: list[RateRange | None] = []

    def cost_lines(self) -> list[str]:
        """A line for the teacher, each student, the prediction and the judge; time; memory."""
        device = self._estimator.device
        lines = [
            f"tokens and time: an estimate, for answers of {self._answer} tokens, on {device.name} "
            f"({device.basis})",
            *self._teacher(),
            *self._training(),
            *self._prediction(),
            *self._judge(),
        ]
        known = [seconds for seconds in self._seconds if seconds is not None]
        if known:
            total = sum(low for low, _ in known), sum(high for _, high in known)
            but = ", without the parts that are not estimated" * (None in self._seconds)
            lines.append(f"  in all {duration_range(total)}{but}")
        return [*lines, *self._memory()]

    def stage_seconds(self) -> dict[str, float]:
        """Likely seconds of the stages that call a model; unknown ones are left out."""
        config, estimator = self._config, self._estimator
        training = [
            estimator.training(training_work(config, plan, self.tokens, self._answer))
            for plan in self.steps
        ]
        work = teacher_work(self._builder, self.tokens, self._answer)
        ranges = {
            "teacher generate": [teacher_seconds(config, estimator, work)],
            "student train": training,
            "student predict": [
                estimator.answering(prediction_work(config, self.tokens, self._answer))
            ],
            "judge score": [self._judge_plan_and_time()[1]],
        }
        return {
            stage: sum(math.sqrt(low * high) for low, high in known)
            for stage, parts in ranges.items()
            if len(known := [part for part in parts if part is not None]) == len(parts)
        }

    def _time(self, seconds: RateRange | None) -> str:
        self._seconds.append(seconds)
        text = duration_range(seconds)
        return f"; {text}" if text else "; time not estimated"

    def _teacher(self) -> list[str]:
        work = teacher_work(self._builder, self.tokens, self._answer)
        time = self._time(teacher_seconds(self._config, self._estimator, work))
        engine = self._config.teacher.engine
        if isinstance(engine, BatchBackend):
            time = "; batch files: the server decides how long"
        elif isinstance(engine, OpenAiBackend):
            time += " at 1 to 6 s a call"
        line = (
            f"  teacher: {work.calls:,} calls at most, {work.most_read:,} prompt tokens before "
            f"prefix caching, {work.most_written:,} answer tokens at most{time}"
            f"{self._without_seeds()}"
        )
        verdicts = candidate_verdicts(self._builder, work.calls, len(self._splits["train"]))
        return [line] + [f"  judge, of candidates: {verdicts:,} verdicts at most"] * bool(verdicts)

    def _without_seeds(self) -> str:
        teacher = self._config.teacher
        engine = teacher.engine
        if not isinstance(engine, SeededBackend) or not teacher.sampling.temperature:
            return ""
        is_seeded = not self._estimator.device.gpu if engine.seeded is None else engine.seeded
        note = "samples without seeds, so that another run draws others (teacher.engine.seeded)"
        return "" if is_seeded else f"; {note}"

    def _training(self) -> list[str]:
        lines = []
        for plan in self.steps:
            work = training_work(self._config, plan, self.tokens, self._answer)
            time = self._time(self._estimator.training(work))
            lines.append(
                f"  {plan.line}, {work.read:,.0f} tokens read in training, {work.written:,.0f} "
                f"written in evaluations{time}"
            )
        return lines

    def _prediction(self) -> list[str]:
        work = prediction_work(self._config, self.tokens, self._answer)
        time = self._time(self._estimator.answering(work))
        scored = scored_answers(self._config, self._splits["val"])
        return [
            f"  prediction: {work.calls:,} calls, {work.most_read:,} prompt tokens before prefix "
            f"caching, {work.most_written:,} answer tokens at most{time}",
            f"  likelihood of val's best logged answers: {scored:,} calls, no answer tokens",
        ]

    def _judge(self) -> list[str]:
        plan, seconds = self._judge_plan_and_time()
        if plan is None:
            return ["  judge: code alone, no calls"]
        first, *rest = plan.summary()
        return [f"  {first}{self._time(seconds)}", *(f"  {line}" for line in rest)]

    def _judge_plan_and_time(self) -> "tuple[Plan | None, RateRange | None]":
        server = configured_server(self._config)
        if server is None:
            return None, _CODE_S
        from pipeline.plan.judge_plan import plan_judging  # the HTTP client: heavy

        rows: dict[JudgedSplit, list[Row]] = {
            split: [self._builder.fit_contexts(row).apply(row) for row in self._splits[split]]
            for split in get_args(JudgedSplit)
        }
        plan = plan_judging(self._config, server, rows)
        return plan, judge_seconds(self._config, self._estimator, plan)

    def _memory(self) -> list[str]:
        device, size = self._estimator
        if size is None:
            return ["  memory: not estimated, the model's weights are not here yet"]
        longest = max(row.unprompted for row in self.tokens) + self._answer
        students = [plan.student for plan in self.steps]
        ranges = [training_gib(student, size, longest, device.gpu) for student in students]
        low, high = (max(ends) for ends in zip(*ranges, strict=True))
        warning = ""
        if device.memory_gib and low > device.memory_gib:
            warning = f"; this is more than the {device.memory_gib:.0f} GiB that there are"
        line = (
            f"  memory, computed from sizes: training {low:.1f} to {high:.1f} GiB"
            f"{' at least' * device.gpu}, then {engine_line(self._config, device, size)}{warning}"
        )
        if not device.gpu:
            return [line]
        return [line, *(self._card_line(student, size, longest) for student in students)]

    def _card_line(self, student: StudentSettings, size: ModelSize, longest: int) -> str:
        """How a student fits into the card."""
        rows = Rows(longest, longest * student.batch_size)
        plan = card_plan(student, size, rows, self._estimator.device.memory_gib * 2**30)
        words = plan_words(plan) if plan.fits else "too little memory"
        return f"  student {student.name}: {words}; a measured pass decides before the training"


def config_name(config: Config) -> str:
    """The run and its base in one line."""
    return f"run {config.name}: base {config.model.name}, teacher {_teacher_name(config)}"


def _teacher_name(config: Config) -> str:
    engine = config.teacher.engine
    if isinstance(engine, OpenAiBackend | BatchBackend):
        return f"{engine.model} ({engine.kind})"
    return config.teacher.model or "the base behind its prompt"
