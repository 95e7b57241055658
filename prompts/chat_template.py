"""A model family's chat template: rendering to token ids, control tokens, end of turn.

Knows the tokenizer and the template's arguments, nothing of rows and prompts. Differences between
model families belong here and in the files beside it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from transformers import PreTrainedTokenizerBase

from config.errors import DataError
from data.records import digest
from prompts.answer_frame import AnswerFrame, find_answer_frame
from prompts.chat_encoder import ChatEncoder
from prompts.chat_rendering import ChatRendering, Message
from prompts.control_tokens import ControlTokens
from prompts.thinking import without_thinking

_USER: Message = {"role": "user", "content": "a"}
_ANSWERS = ("unprompted", "At 9.", "«Да» — 12.50 €", "1. x\n- y\n\n<b>z</b>")  # check the frame


class ChatTemplate:
    """The chat template of one tokenizer with one set of arguments, on one date.

    Thinking is off where the template has a switch.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        kwargs: Mapping[str, bool | str] | None = None,
        today: date | None = None,
    ) -> None:
        """`today`: the date that the template may write; None: the day of the call.

        Raises SetupError and DataError, in one line, when the tokenizer has no chat template, or
        one with which an answer cannot be learnt as it is asked for.
        """
        self.tokenizer = tokenizer
        rendering = ChatRendering(tokenizer, kwargs or {}, today or date.today())
        rendering = without_thinking(rendering)
        self.date = rendering.today if rendering.writes_date else None  # that the template writes
        rendering.pin_date()
        self.rendering = rendering
        self._encode = ChatEncoder(rendering)
        self._control = ControlTokens(tokenizer, [rendering.source, *rendering.samples()])
        self._frame: AnswerFrame = find_answer_frame(rendering, self._control)
        self.end_of_turn = self._control.by_name[self._frame.end]
        prompt = rendering.text([_USER])
        starts = [match.start() for match in self._control.pattern.finditer(prompt)]
        self._prompt_end = prompt[starts[-1] if starts else 0 :]  # from its last control token on
        self._prompt_end_ids = self._ids(self._prompt_end)
        self._check_answers()

    def prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a chat with the generation prompt, as a server builds them."""
        return self._encode(messages)

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a neutralised text alone, without any control token."""
        return self._ids(self.neutralise(text))

    def answer_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of an answer behind the generation prompt, with the end-of-turn token."""
        framed = self._frame.before + self.neutralise(text) + self._frame.after
        return (*self._behind_prompt(framed), self.end_of_turn)

    def beginning_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of an answer's beginning behind the generation prompt, for a model to go on."""
        return self._behind_prompt(self._frame.before + self.neutralise(text)) if text else ()

    def neutralise(self, text: str) -> str:
        """The text with every control token broken by a space, so that it stays plain text.

        A user who writes `<|im_end|>` then cannot end the turn or open another one.
        """
        return self._control.neutralise(text)

    def control_ids(self, ids: Sequence[int]) -> tuple[int, ...]:
        """The ids among `ids` that are control tokens: special, or written by the template."""
        return self._control.ids(ids)

    @property
    def continues_as_asked(self) -> bool:
        """Whether an answer in a chat stands behind the text of the generation prompt.

        Some templates write empty reasoning only where they ask for an answer, and a server that
        continues a message leaves it out.
        """
        return self._frame.prompt == self.rendering.text([_USER])

    @property
    def kwargs(self) -> dict[str, Any]:
        """The template's arguments: the user's, thinking off, and the date if it takes one."""
        return self.rendering.kwargs

    @property
    def serving_kwargs(self) -> dict[str, Any]:
        """The arguments for serving: thinking off, and no date, since a server writes its own."""
        return {name: value for name, value in self.kwargs.items() if name != "date_string"}

    @property
    def unprompted_frame(self) -> str:
        """The text that a server builds around a user turn without a system message."""
        text: str = self.tokenizer.decode(self._encode([{"role": "user", "content": "{user}"}]))
        return text

    @property
    def sha256(self) -> str:
        """Hash of the chat template, its arguments, and the date if it writes one."""
        written = [self.date.isoformat()] if self.date else []
        return digest([self.rendering.source, self.kwargs, *written])

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def _behind_prompt(self, text: str) -> tuple[int, ...]:
        ids = self._continuation(text)
        return self._ids(text) if ids is None else ids

    def _continuation(self, text: str) -> tuple[int, ...] | None:
        """The ids of a text behind the generation prompt.

        None: its first characters would join the prompt's last ones, which a model that continues
        the prompt cannot do.
        """
        ids, start = self._ids(self._prompt_end + text), len(self._prompt_end_ids)
        return ids[start:] if ids[:start] == self._prompt_end_ids else None

    def _check_answers(self) -> None:
        """Raises DataError unless prompt + answer is the template's own rendering of the answer."""
        prompt = self._ids(self._frame.prompt)
        for text in _ANSWERS:
            answer = self.answer_ids(text)
            chat = self._encode([_USER, {"role": "assistant", "content": text}], generation=False)
            # where the next turn ends an answer, nothing stands behind the last one
            same = (*prompt, *answer)[: len(chat)] == chat[: len(prompt) + len(answer)]
            if not same and self._continuation(self._frame.before + text) is not None:
                raise DataError(
                    f"{self.rendering.model}: its tokens of a whole chat differ from those of "
                    f"prompt and answer ({text!r}); use another model"
                )
