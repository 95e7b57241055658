"""Builds the requests of an arm from an experiment's settings and rows.

The only place that decides which passages of a row are shown, so that all arms, the training rows
and the judge see the same ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from config.generation import SamplingSettings
from config.schema import Config
from data.fingerprint import Fingerprint
from data.records import digest
from data.rows import Row, rows_digest
from data.run_date import record_run_date, run_date
from data.run_paths import RunPaths
from engine.base import Adapter, Completion, Request, make_request, score_request
from engine.batch_job import Task
from engine.models import load_tokenizer, model_identity, resolve_base
from prompts.chat_rendering import Message
from prompts.prompt_file import Prompt, load_prompt
from prompts.renderer import FittedContexts, Renderer

_CACHED_ROWS = 20_000  # rows whose fitting passages are cached


@dataclass(frozen=True)
class View:
    """How an arm sees a row."""

    prompted: bool
    adapter: Adapter | None = None
    # of the worked examples, some of which may be left out; None: all, as written
    order: tuple[int, ...] | None = None
    system: str | None = None  # in place of the prompt's
    reminder: str = ""  # behind the question


class TaskList:
    """One task per row, built on each iteration: many prompts would not fit in memory."""

    def __init__(self, rows: Sequence[Row], make: Callable[[Row], Task]) -> None:
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Task]:
        return map(self._make, self._rows)


def make_renderer(config: Config, prompt: Prompt, folder: str | None = None) -> Renderer:
    """The renderer of an experiment, with the base's tokenizer and chat template.

    `folder` of the tokenizer; None: of the base. Records the date in the run's folder if the
    template writes it. Raises the errors of `resolve_base` and `Renderer`.
    """
    model = config.model
    tokenizer = load_tokenizer(folder or resolve_base(model))
    path = RunPaths.of(config).date
    renderer = Renderer(tokenizer, prompt, model.template_kwargs, model.system_role, run_date(path))
    if renderer.template.date is not None:
        record_run_date(path, renderer.template.date)
    return renderer


class RequestBuilder:
    """Prompt, rules, tokenizer and token budget of one experiment."""

    def __init__(
        self,
        config: Config,
        root: Path = Path(),
        identity: str | None = None,
        folder: str | None = None,
    ) -> None:
        """`identity` of the model that answers; None: the base, whose weights are then hashed.

        `folder` of the tokenizer; None: of the base. Raises the errors of `load_prompt`,
        `resolve_base` and `Renderer`.
        """
        self.config = config
        self.prompt, self.rules = load_prompt(config.prompt, root)
        self.model = folder or resolve_base(config.model)  # its folder
        self.identity = identity or model_identity(self.model, config.model.dtype)
        self.renderer = make_renderer(config, self.prompt, folder)
        answer_tokens = max(config.teacher.sampling.max_tokens, config.predict.sampling.max_tokens)
        self.budget = config.model.max_length - answer_tokens  # tokens of the longest prompt
        self._fitted: dict[str, FittedContexts] = {}

    def fit_contexts(self, row: Row) -> FittedContexts:
        """The passages of a row that fit the budget in every view."""
        if row.id not in self._fitted:
            if len(self._fitted) >= _CACHED_ROWS:
                self._fitted.clear()
            self._fitted[row.id] = self.renderer.fit_contexts(row, self.budget)
        return self._fitted[row.id]

    def view_ids(self, row: Row, view: View) -> tuple[int, ...]:
        """The prompt's token ids in a view, up to where the answer begins."""
        return self.renderer.template.prompt_ids(self._messages(row, view))

    def _messages(self, row: Row, view: View) -> list[Message]:
        shown = self.fit_contexts(row).apply(row)
        messages = self.renderer.messages(shown, view.prompted, view.order, view.system)
        if view.reminder:
            reminder = self.renderer.template.neutralise(view.reminder)
            messages[-1]["content"] += f"\n\n{reminder}"
        return messages

    def request(
        self,
        messages: Sequence[Message],
        sampling: SamplingSettings,
        seed: int,
        adapter: Adapter | None = None,
    ) -> Request:
        """The request for an answer to a chat; the template's end of turn ends it."""
        template = self.renderer.template
        ids, turns = template.prompt_ids(messages), tuple(messages)
        request = make_request(self.identity, ids, sampling, seed, adapter, turns)
        return replace(request, stop_ids=(template.end_of_turn,))

    def tasks(
        self,
        arm: str,
        rows: Sequence[Row],
        view: View,
        sampling: SamplingSettings,
        sample: int = 0,
    ) -> TaskList:
        """One task per row, for answer number `sample` of an arm."""
        return TaskList(rows, lambda row: self.task(arm, row, view, sampling, sample))

    def task(self, arm: str, row: Row, view: View, sampling: SamplingSettings, sample: int) -> Task:
        """The task for answer number `sample` of an arm to one row."""
        seed = int(digest([self.config.seed, row.id, sample])[:8], 16)
        request = self.request(self._messages(row, view), sampling, seed, view.adapter)
        return Task(arm, row.id, sample, request, view.order, self.fit_contexts(row).dropped)

    def dictated_task(self, arm: str, row: Row, sample: int, text: str) -> Task:
        """A task whose answer is known: no engine is asked."""
        ids = self.renderer.answer_ids(text)
        request = Request(digest(["constructed", self.identity, ids]), (), SamplingSettings(), 0)
        answer = Completion(request.key, text, ids, "stop")
        dropped = self.fit_contexts(row).dropped
        return Task(arm, row.id, sample, request, None, dropped, answer=answer)

    def scoring_tasks(
        self, arm: str, rows: Sequence[Row], view: View, answers: Mapping[str, Sequence[str]]
    ) -> list[Task]:
        """One task per existing answer (row id → texts): its logprobs in the arm's view.

        They include the end-of-turn token. The sample is the index among the row's texts.
        """
        tasks = []
        for row in rows:
            prompt_ids, dropped = self.view_ids(row, view), self.fit_contexts(row).dropped
            for sample, text in enumerate(answers.get(row.id, ())):
                answer_ids = self.renderer.answer_ids(text)
                request = score_request(self.identity, prompt_ids, answer_ids, view.adapter)
                tasks.append(Task(arm, row.id, sample, request, dropped=dropped))
        return tasks

    def fingerprint(
        self, view: View, sampling: SamplingSettings, rows: Iterable[Row]
    ) -> Fingerprint:
        """The settings that determine an arm's answers."""
        return {
            "model": self.identity,
            "chat template": self.renderer.template.sha256,
            "date": str(self.renderer.template.date),
            "system role": self.renderer.system_role,
            "prompt": self.prompt.of_view(view.prompted),
            "adapter": view.adapter.sha256 if view.adapter else None,
            "sampling": sampling.model_dump(),
            "seed": self.config.seed,
            "rows": rows_digest(rows),
            "budget": self.budget,
        }
