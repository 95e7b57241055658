"""The tasks of guided candidates: focused, reminded, prefilled and constructed answers.

All of them follow from the ordinary candidates of a row, so that they can be requested in any
order, and batch files hold them as one second round. Their sample numbers are fixed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from config.backends import RemoteBackend
from data.answers import How
from data.rows import Row
from engine.batch_job import Task
from engine.prefill import Prefill
from engine.request_builder import RequestBuilder, View
from judge.llm.templates import render
from prompts.focused_prompt import focused_system
from prompts.rules import RuleFile
from teacher.example_orders import example_orders
from teacher.guided.dictated_parts import dictated_parts
from teacher.guided.example_cases import ExampleCases
from teacher.guided.row_case import RowCase, row_case
from teacher.scored_candidate import ScoredCandidate

# One answer per round, for the rows that still fail. Focused and prefilled answers are tried again
# with another order of the worked examples, as ordinary ones are; a reminder stands behind the
# question, where the order hardly matters; a constructed answer is always the same.
GUIDED_ROUNDS: tuple[How, ...] = (
    *("focused", "focused", "focused"),
    "reminded",
    *("prefilled", "prefilled"),
    "constructed",
)
_FIRST_PREFILLED = GUIDED_ROUNDS.index("prefilled")


def best_failed(candidates: Sequence[ScoredCandidate]) -> ScoredCandidate | None:
    """The best candidate of a row without an obedient one.

    None: a candidate passes the must-rules, or none is known to break one.
    """
    if any(
        candidate.answer.usable and candidate.rule_counts.passes_must_rules
        for candidate in candidates
    ):
        return None
    failed = [
        candidate
        for candidate in candidates
        if candidate.rule_counts.must_broken or candidate.answer.finish == "length"
    ]
    return min(failed, key=lambda candidate: candidate.rank, default=None)


def reminder(rules: RuleFile, failed: ScoredCandidate) -> str:
    """What is said behind the question: the rules that the failed candidate broke."""
    broken = {verdict.rule for verdict in failed.verdicts if verdict.outcome == "fail"}
    return render(
        rules.language,
        "reminder",
        broken=[scored for scored in rules.scored_rules() if scored.id in broken],
        cut=failed.answer.finish == "length",
    )


def no_prefill(builder: RequestBuilder) -> str | None:
    """Why the teacher cannot go on from a given beginning, and the way out; None: it can."""
    engine = builder.config.teacher.engine
    if not isinstance(engine, RemoteBackend):
        return None
    if not engine.same_tokenizer:
        return (
            f"engine {engine.kind} may not continue a message; set same_tokenizer: true if it is "
            "vLLM with the base's tokenizer"
        )
    if not builder.renderer.template.continues_as_asked:
        return (
            f"{builder.renderer.template.rendering.model}: its chat template writes other text in "
            "front of an answer that a server continues; load the teacher locally"
        )
    return None


class GuidedTasks:
    """Makes the tasks of one arm."""

    def __init__(self, builder: RequestBuilder, arm: str) -> None:
        self._builder, self._arm = builder, arm
        self._teacher = builder.config.teacher
        self._examples = ExampleCases(builder.prompt, builder.rules)
        count = len(builder.prompt.examples)
        self._prefills = no_prefill(builder) is None
        rounds = self._teacher.model_copy(update={"candidates": len(GUIDED_ROUNDS)})
        self._orders = example_orders(rounds, count, builder.config.seed)

    def tasks(
        self, number: int, rows: Sequence[Row], ordinary: Mapping[str, Sequence[ScoredCandidate]]
    ) -> Iterator[Task]:
        """The tasks of round `number` of GUIDED_ROUNDS, for those of these rows that have one.

        Built one by one: many prompts would not fit in memory. `ordinary`: row id → all its
        ordinary candidates.
        """
        tasks = (self._task(number, row, ordinary[row.id]) for row in rows)
        return (task for task in tasks if task is not None)

    def _task(self, number: int, row: Row, candidates: Sequence[ScoredCandidate]) -> Task | None:
        failed, how = best_failed(candidates), GUIDED_ROUNDS[number]
        if failed is None:
            return None
        verdicts = chain.from_iterable(candidate.verdicts for candidate in candidates)
        case = row_case(self._builder.rules, verdicts)
        sample = self._teacher.candidates + number
        if how == "focused":
            task: Task | None = self._view_task(row, self._focused(case, number), sample)
        elif how == "reminded":
            text = reminder(self._builder.rules, failed)
            view = View(prompted=True, order=failed.answer.order, reminder=text)
            task = self._view_task(row, view, sample)
        elif how == "prefilled":
            task = self._prefilled(row, case, number)
        else:
            task = self._constructed(row, case, sample)
        return None if task is None else replace(task, how=how)

    def _view_task(self, row: Row, view: View, sample: int) -> Task:
        return self._builder.task(self._arm, row, view, self._teacher.sampling, sample)

    def _focused(self, case: RowCase, attempt: int) -> View:
        """The prompt of the case and its worked examples, in the order of an ordinary round."""
        builder = self._builder
        return View(
            prompted=True,
            order=self._examples.order(case.due, self._orders[attempt]),
            system=focused_system(builder.prompt.system, builder.rules, case.undue),
        )

    def _prefilled(self, row: Row, case: RowCase, number: int) -> Task | None:
        """Behind the focused view: its worked examples begin as the answer does, and go on."""
        builder = self._builder
        parts = dictated_parts(builder.prompt, builder.rules, case)
        if not self._prefills or not (parts.beginning or parts.endings):
            return None
        view = self._focused(case, number - _FIRST_PREFILLED)
        task = self._view_task(row, view, self._teacher.candidates + number)
        prefill = Prefill(builder.renderer.template, parts.beginning, parts.endings)
        return replace(task, request=prefill.request(task.request), prefill=prefill)

    def _constructed(self, row: Row, case: RowCase, sample: int) -> Task | None:
        builder = self._builder
        whole = dictated_parts(builder.prompt, builder.rules, case).whole
        return None if whole is None else builder.dictated_task(self._arm, row, sample, whole)
