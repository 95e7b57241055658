"""Rows → messages → token ids, in the prompted and the unprompted view.

Teacher, student, judge and serving all render here, so that both views have the same user turn and
the same answer ids. Never truncates: passages over budget are dropped from the end, in both views.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from config.generation import SystemRole
from data.rows import Context, Row, Turn
from prompts.chat_rendering import Message
from prompts.chat_template import ChatTemplate
from prompts.check_views import check_views
from prompts.prompt_file import Prompt, example_text, row_turns

_SAMPLE = Row(
    id="sample",
    question="And when does the desk open?",
    contexts=(Context(text="The desk opens at 9."), Context(text="It closes at 5.")),
    history=(Turn(question="Where is the desk?", answer="In room 2."),),
)


class FittedContexts(NamedTuple):
    """The passages of a row that fit the budget, in both views alike."""

    contexts: tuple[Context, ...]
    dropped: int  # passages cut from the end
    fits: bool  # False: the row does not fit even without passages
    history: tuple[Turn, ...] = ()  # earlier turns with their passages that fit
    prompted: int = 0  # tokens of the prompted view with only what fits

    def apply(self, row: Row) -> Row:
        """The row with only what fits."""
        return row.model_copy(update={"contexts": self.contexts, "history": self.history})

    def dropped_from_history(self, row: Row) -> int:
        """The number of passages of earlier turns that do not fit."""
        return _count_passages(row.history) - _count_passages(self.history)


class Renderer:
    """Renders rows with one tokenizer, one prompt and one set of template arguments."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt: Prompt,
        template_kwargs: Mapping[str, bool | str] | None = None,
        system_role: SystemRole = "system",
        today: date | None = None,
    ) -> None:
        """Raises the errors of `ChatTemplate` and `check_views`."""
        self.tokenizer = tokenizer
        self.prompt = prompt
        self.system_role = system_role
        self.template = ChatTemplate(tokenizer, template_kwargs, today)
        views = (self.messages(_SAMPLE, prompted) for prompted in (True, False))
        check_views(self.template.rendering, *views)

    def messages(
        self,
        row: Row,
        prompted: bool,
        order: Sequence[int] | None = None,
        system: str | None = None,
    ) -> list[Message]:
        """The chat of a row.

        The prompted view starts with the system prompt, in a turn of its own or in the first user
        turn, and the worked examples in `order`, which may leave some out. The earlier turns of the
        conversation follow in both views, with their passages. `system`: in place of the prompt's.
        """
        system = self.prompt.system if system is None else system
        turns = self.example_turns(order) if prompted else []
        turns += row_turns(self.prompt, row)
        if prompted and self.system_role == "system":
            turns.insert(0, {"role": "system", "content": system})
        elif prompted:
            turns[0]["content"] = f"{system}\n\n{turns[0]['content']}"
        return [{**turn, "content": self.template.neutralise(turn["content"])} for turn in turns]

    def example_turns(self, order: Sequence[int] | None = None) -> list[Message]:
        """The worked examples as a client sends them, in `order`; None: all, as written."""
        turns: list[Message] = []
        examples = self.prompt.examples
        for index in range(len(examples)) if order is None else order:
            user = example_text(self.prompt, examples[index])
            turns.append({"role": "user", "content": user})
            turns.append({"role": "assistant", "content": examples[index].answer})
        return turns

    @property
    def prompt_turns(self) -> list[Message]:
        """The turns in front of a row's own as a client sends them; empty where the prompt has none
        of its own."""
        if self.system_role != "system":
            return []
        return [{"role": "system", "content": self.prompt.system}, *self.example_turns()]

    def view_ids(
        self, row: Row, prompted: bool, order: Sequence[int] | None = None
    ) -> tuple[int, ...]:
        """Token ids of a row's chat, up to where the answer starts."""
        return self.template.prompt_ids(self.messages(row, prompted, order))

    def answer_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of an answer with the end-of-turn token; the same in both views."""
        return self.template.answer_ids(text)

    @property
    def system_ids(self) -> tuple[int, ...]:
        """Token ids of the system prompt's text alone, to initialise virtual prefixes."""
        return self.template.text_ids(self.prompt.system)

    def fit_contexts(self, row: Row, budget: int) -> FittedContexts:
        """The passages with which the longer (prompted) view has at most `budget` tokens.

        Passages of earlier turns are dropped first, from their end, then the row's own.
        """
        count = len(row.contexts) + _count_passages(row.history)
        cut = row
        while (length := len(self.view_ids(cut, prompted=True))) > budget and count:
            count -= 1
            cut = _cut_passages(row, count)
        dropped = len(row.contexts) - len(cut.contexts)
        return FittedContexts(cut.contexts, dropped, length <= budget, cut.history, length)


def _cut_passages(row: Row, count: int) -> Row:
    """The row with `count` passages in all: its own first, then those of its earlier turns."""
    left, history = max(0, count - len(row.contexts)), []
    for turn in row.history:
        history.append(turn.model_copy(update={"contexts": turn.contexts[:left]}))
        left = max(0, left - len(turn.contexts))
    return row.model_copy(update={"contexts": row.contexts[:count], "history": tuple(history)})


def _count_passages(history: Sequence[Turn]) -> int:
    return sum(len(turn.contexts) for turn in history)
