"""A model family's chat template: rendering to token ids, control tokens, end of turn.

Knows the tokenizer and the template's arguments, nothing of rows and prompts. Differences between
model families belong here.
"""

import re
from collections.abc import Mapping, Sequence

from transformers import PreTrainedTokenizerBase

from config.errors import DataError, SetupError
from data.records import digest
from prompts.chat_encoder import ChatEncoder, Message


class ChatTemplate:
    """The chat template of one tokenizer with one set of arguments."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, kwargs: Mapping[str, bool | str] | None = None
    ) -> None:
        """Raises SetupError when the tokenizer has no chat template.

        Raises DataError when the template ends an answer without a control token.
        """
        if not tokenizer.chat_template:
            raise SetupError(
                f"model {tokenizer.name_or_path!r} has no chat template; "
                "use its instruction-tuned version"
            )
        self.tokenizer = tokenizer
        self._kwargs = dict(kwargs or {})
        added = tokenizer.get_added_vocab()
        self._control = frozenset(added.values()) | frozenset(tokenizer.all_special_ids)
        names = sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)
        self._names = re.compile("|".join(map(re.escape, filter(None, names))) or r"(?!)")
        self._encode = ChatEncoder(tokenizer, self._names, self._kwargs)
        self.end_of_turn = self._find_end_of_turn()

    def prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of a chat with the generation prompt, as a server builds them."""
        return self._encode(messages)

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a neutralised text alone, without any control token."""
        ids: list[int] = self.tokenizer.encode(self.neutralise(text), add_special_tokens=False)
        return tuple(ids)

    def neutralise(self, text: str) -> str:
        """The text with every added token broken by a space, so that it stays plain text.

        A user who writes `<|im_end|>` then cannot end the turn or open another one.
        """
        while True:
            broken = self._names.sub(lambda name: f"{name[0][0]} {name[0][1:]}", text)
            if broken == text:
                return text
            text = broken

    def control_ids(self, ids: Sequence[int]) -> tuple[int, ...]:
        """The ids among `ids` that are control tokens: added or special ones."""
        return tuple(token for token in ids if token in self._control)

    @property
    def unprompted_frame(self) -> str:
        """The text that a server builds around a user turn without a system message."""
        text: str = self.tokenizer.decode(self._encode([{"role": "user", "content": "{user}"}]))
        return text

    @property
    def sha256(self) -> str:
        """Hash of the chat template and its arguments."""
        return digest([str(self.tokenizer.chat_template), self._kwargs])

    def _find_end_of_turn(self) -> int:
        """The control token that the template writes after an assistant's words."""
        marker = "unprompted"
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": marker}]
        tail: list[int] = []  # from the last token of the marker on
        for token in reversed(self._encode(turns, generation=False)):
            tail.insert(0, token)
            if marker in self.tokenizer.decode(tail):
                break
        control = self.control_ids(tail)
        if not control:
            raise DataError(
                f"model {self.tokenizer.name_or_path!r}: its chat template ends an answer with no "
                "special token, so an answer would never stop; use another model"
            )
        return control[0]
