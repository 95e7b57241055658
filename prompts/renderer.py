"""Rows → messages → token ids, in the prompted and the unprompted view.

The one place that turns text into ids for teacher, student, judge and serving, so that both views
hold the same user turn and the same answer ids. Knows the tokenizer's own chat template; never
truncates: passages over budget are dropped from the end, in both views alike.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from config.errors import DataError, SetupError
from data.records import digest
from data.rows import Context, Row, Turn
from prompts.chat_encoder import ChatEncoder, Message
from prompts.prompt_file import Prompt, example_text, user_text


class Kept(NamedTuple):
    """The passages of a row that fit, in both views alike."""

    contexts: tuple[Context, ...]
    dropped: int  # passages cut from the end
    fits: bool  # False: the row does not fit even without passages
    history: tuple[Turn, ...] = ()  # earlier turns with the passages of theirs that fit

    def shown(self, row: Row) -> Row:
        """The row with just what fits."""
        update = {"contexts": self.contexts, "history": self.history}
        return row.model_copy(update=update)

    def dropped_before(self, row: Row) -> int:
        """The passages of the row's earlier turns that do not fit."""
        return _passages(row.history) - _passages(self.history)


class Renderer:
    """Renders rows with one tokenizer, one prompt and one set of template arguments."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        prompt: Prompt,
        template_kwargs: Mapping[str, bool | str] | None = None,
    ) -> None:
        """Raises SetupError when the tokenizer has no chat template."""
        if not tokenizer.chat_template:
            raise SetupError(
                f"model {tokenizer.name_or_path!r} has no chat template; "
                "use its instruction-tuned version"
            )
        self.tokenizer = tokenizer
        self.prompt = prompt
        self._kwargs = dict(template_kwargs or {})
        added = tokenizer.get_added_vocab()
        self._control = frozenset(added.values()) | frozenset(tokenizer.all_special_ids)
        names = sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)
        self._names = re.compile("|".join(map(re.escape, filter(None, names))) or r"(?!)")
        self._encode = ChatEncoder(tokenizer, self._names, self._kwargs)
        self.end_of_turn = self._find_end_of_turn()

    # -- views -------------------------------------------------------------------------------

    def messages(
        self,
        row: Row,
        contexts: Sequence[Context],
        prompted: bool,
        order: Sequence[int] | None = None,
    ) -> list[Message]:
        """The chat of a row. Prompted: the system prompt and worked examples (in `order`) lead.

        Earlier turns of the row's conversation come next, in both views, with their passages.
        """
        turns: list[Message] = []
        if prompted:
            turns.append({"role": "system", "content": self.prompt.system})
            examples = self.prompt.examples
            for index in range(len(examples)) if order is None else order:
                turns.append(
                    {"role": "user", "content": example_text(self.prompt, examples[index])}
                )
                turns.append({"role": "assistant", "content": examples[index].answer})
        for turn in row.history:
            earlier = row.model_copy(update={"question": turn.question})
            said = user_text(self.prompt, earlier, turn.contexts)
            turns.append({"role": "user", "content": said})
            turns.append({"role": "assistant", "content": turn.answer})
        turns.append({"role": "user", "content": user_text(self.prompt, row, contexts)})
        return [{**turn, "content": self.neutral(turn["content"])} for turn in turns]

    def prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids up to where the answer starts: what a server builds for these messages."""
        return self._encode(messages)

    def view(
        self,
        row: Row,
        contexts: Sequence[Context],
        prompted: bool,
        order: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Token ids of a row's chat, ready for the answer."""
        return self.prompt_ids(self.messages(row, contexts, prompted, order))

    def answer_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of an answer with the token that ends its turn; the same in both views."""
        encoded: list[int] = self.tokenizer.encode(self.neutral(text), add_special_tokens=False)
        return (*encoded, self.end_of_turn)

    @property
    def system_ids(self) -> tuple[int, ...]:
        """Token ids of the system prompt's text alone, for what starts from it."""
        ids: list[int] = self.tokenizer.encode(
            self.neutral(self.prompt.system), add_special_tokens=False
        )
        return tuple(ids)

    # -- budget ------------------------------------------------------------------------------

    def kept_contexts(self, row: Row, budget: int) -> Kept:
        """The passages with which the longer (prompted) view stays within `budget` tokens.

        Those of earlier turns go first, from their end: the row's own are what its answer is of.
        """
        whole = row.contexts
        earlier = _passages(row.history)
        tried = [(whole, count) for count in range(earlier, 0, -1)]
        tried += [(whole[:count], 0) for count in range(len(whole), -1, -1)]
        for contexts, count in tried:
            history = _with_passages(row.history, count)
            shown = row.model_copy(update={"history": history})
            if len(self.view(shown, contexts, prompted=True)) <= budget:
                return Kept(contexts, len(whole) - len(contexts), True, history)
        return Kept((), len(whole), False, _with_passages(row.history, 0))

    # -- template ----------------------------------------------------------------------------

    def neutral(self, text: str) -> str:
        """The text with every added token broken by a space, so that it stays plain text.

        A user who writes `<|im_end|>` then cannot end his turn or open another one.
        """
        while True:
            broken = self._names.sub(lambda name: f"{name[0][0]} {name[0][1:]}", text)
            if broken == text:
                return text
            text = broken

    def control_ids(self, ids: Sequence[int]) -> tuple[int, ...]:
        """The ids among `ids` that are added tokens: the template's language."""
        return tuple(token for token in ids if token in self._control)

    @property
    def unprompted_frame(self) -> str:
        """The text that a serving endpoint builds around a user turn without a system message."""
        turn = [{"role": "user", "content": "{user}"}]
        text: str = self.tokenizer.decode(self._encode(turn))
        return text

    @property
    def template_sha256(self) -> str:
        """Hash of the chat template and its arguments."""
        return digest([str(self.tokenizer.chat_template), self._kwargs])

    def _find_end_of_turn(self) -> int:
        """The control token that the template writes after an assistant's words."""
        marker = "unprompted"
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": marker}]
        ids = self._encode(turns, generation=False)
        tail: list[int] = []
        for token in reversed(ids):
            tail.append(token)
            if marker in self.tokenizer.decode(list(reversed(tail))):
                break
        for token in reversed(tail):
            if token in self._control:
                return token
        raise DataError(
            f"model {self.tokenizer.name_or_path!r}: its chat template ends an answer with no "
            "special token, so an answer would never stop; use another model"
        )


def _with_passages(history: Sequence[Turn], count: int) -> tuple[Turn, ...]:
    """The turns with their first `count` passages in all."""
    turns = []
    for turn in history:
        turns.append(turn.model_copy(update={"contexts": turn.contexts[: max(count, 0)]}))
        count -= len(turn.contexts)
    return tuple(turns)


def _passages(history: Sequence[Turn]) -> int:
    return sum(len(turn.contexts) for turn in history)
