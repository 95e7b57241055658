"""From an experiment's settings and rows to the tasks of an arm.

The one place that decides which passages of a row are shown, so that every arm, the training rows
and the judge see the same ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.generation import SamplingSettings
from config.schema import Config
from data.fingerprint import Fingerprint
from data.records import digest, digest_list
from data.rows import Row
from engine.base import Adapter, make_request, score_request
from engine.batch_job import Task
from engine.models import load_tokenizer, model_identity, resolve_model
from prompts.chat_encoder import Message
from prompts.prompt_file import load_prompt
from prompts.renderer import Kept, Renderer

_KEPT = 20_000  # rows whose passages are remembered


@dataclass(frozen=True)
class View:
    """How an arm sees a row."""

    prompted: bool
    adapter: Adapter | None = None
    order: tuple[int, ...] | None = None  # of the worked examples; None: as written


class TaskList:
    """One task per row, made whenever they are gone through: the prompts of many fit no memory."""

    def __init__(self, rows: Sequence[Row], make: Callable[[Row], Task]) -> None:
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Task]:
        return map(self._make, self._rows)


class RequestBuilder:
    """Prompt, rules, tokenizer and token budget of one experiment."""

    def __init__(self, config: Config, root: Path = Path(), identity: str | None = None) -> None:
        """`identity`: of the model that is asked; None: it is the base.

        Raises what `load_prompt`, `resolve_model` and `Renderer` raise.
        """
        self.config = config
        self.prompt, self.rules = load_prompt(config.prompt, root)
        self.model = resolve_model(config.model.name)  # folder or hub id
        self.identity = identity or model_identity(self.model)
        self.renderer = Renderer(
            load_tokenizer(self.model), self.prompt, config.model.template_kwargs
        )
        longest = max(config.teacher.sampling.max_tokens, config.predict.sampling.max_tokens)
        self.budget = config.model.max_length - longest  # tokens of the longest prompt
        self._kept: dict[str, Kept] = {}

    def kept(self, row: Row) -> Kept:
        """The passages of a row that every view of it shows."""
        if row.id not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[row.id] = self.renderer.kept_contexts(row, self.budget)
        return self._kept[row.id]

    def view_ids(self, row: Row, view: View) -> tuple[int, ...]:
        """Token ids of a row as an arm sees it, ready for the answer."""
        return self.renderer.prompt_ids(self._messages(row, view))

    def _messages(self, row: Row, view: View) -> list[Message]:
        kept = self.kept(row)
        return self.renderer.messages(kept.shown(row), kept.contexts, view.prompted, view.order)

    def tasks(
        self, arm: str, rows: Sequence[Row], view: View, sampling: SamplingSettings, sample: int = 0
    ) -> TaskList:
        """One task per row: the answer number `sample` of an arm."""

        def made(row: Row) -> Task:
            seed = int(digest([self.config.seed, row.id, sample])[:8], 16)
            messages = self._messages(row, view)
            request = make_request(
                self.identity,
                self.renderer.prompt_ids(messages),
                sampling,
                seed,
                view.adapter,
                tuple(messages),
            )
            return Task(arm, row.id, sample, request, view.order, self.kept(row).dropped)

        return TaskList(rows, made)

    def scoring_tasks(
        self, arm: str, rows: Sequence[Row], view: View, given: Mapping[str, Sequence[str]]
    ) -> list[Task]:
        """One task per given answer (row id → texts): its logprobs if the arm had said it.

        The token that ends the turn is part of it. Sample n is the row's text number n.
        """
        made = []
        for row in rows:
            ids, dropped = self.view_ids(row, view), self.kept(row).dropped
            for sample, text in enumerate(given.get(row.id, ())):
                answer_ids = self.renderer.answer_ids(text)
                request = score_request(self.identity, ids, answer_ids, view.adapter)
                made.append(Task(arm, row.id, sample, request, dropped=dropped))
        return made

    def fingerprint(
        self, view: View, sampling: SamplingSettings, rows: Iterable[Row]
    ) -> Fingerprint:
        """What an arm's answers depend on, by name, for the refusal of silent changes."""
        return {
            "model": self.identity,
            "chat template": self.renderer.template_sha256,
            "prompt": self.prompt.sha256 if view.prompted else self.prompt.user_template,
            "adapter": view.adapter.sha256 if view.adapter else None,
            "sampling": sampling.model_dump(),
            "seed": self.config.seed,
            "rows": digest_list(map(_shown, rows)),
            "budget": self.budget,
        }


def _shown(row: Row) -> list[object]:
    """What of a row its answers depend on; a first turn as runs before second turns noted it."""
    values = row.model_dump()
    return [row.id, row.question, values["contexts"], *values["history"]]
