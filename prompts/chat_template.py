"""A model family's chat template: rendering to token ids, control tokens, end of turn.

Knows the tokenizer and the template's arguments, nothing of rows and prompts. Differences between
model families belong here.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any

from transformers import PreTrainedTokenizerBase

from config.errors import DataError, SetupError
from data.records import digest

Message = dict[str, str]  # role and content, as chat templates take them

_CACHED_PIECES = 1024  # some 10 MB at 300 tokens each
_EDGES = ("", " ", "\n", " \n\n ", "\u3000")  # around texts: pieces may depend on them


class ChatEncoder:
    """Encodes chats by a tokenizer's chat template with fixed arguments.

    A tokenizer first splits a text at its added tokens and encodes each piece on its own. The
    pieces are cached: of a long prompt with worked examples, only the question is encoded again.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, names: re.Pattern[str], kwargs: Mapping[str, Any]
    ) -> None:
        """`names` matches every added token."""
        self._added_token = re.compile(f"({names.pattern})")
        self._apply = partial(tokenizer.apply_chat_template, return_dict=False, **kwargs)
        encode = partial(tokenizer.encode, add_special_tokens=False)
        self._piece_ids = lru_cache(_CACHED_PIECES)(encode)
        # Pieces depend on each other where an added token strips the space beside it, or where the
        # first piece of a text gets a prefix.
        self._by_piece = all(
            self._from_pieces(turns, generation) == self.whole(turns, generation)
            for turns in map(_sample_chat, _EDGES)
            for generation in (False, True)
        )

    def __call__(self, messages: Sequence[Message], generation: bool = True) -> tuple[int, ...]:
        """The ids of `whole`, from cached pieces where they are independent."""
        encode = self._from_pieces if self._by_piece else self.whole
        return encode(messages, generation)

    def whole(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        """The template's ids; with `generation` up to where the answer starts."""
        return tuple(self._apply(list(messages), add_generation_prompt=generation, tokenize=True))

    def _from_pieces(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        text = self._apply(list(messages), add_generation_prompt=generation, tokenize=False)
        return tuple(chain.from_iterable(map(self._piece_ids, self._added_token.split(text))))


def _sample_chat(edge: str) -> list[Message]:
    contents = [f"{edge}{word}{edge}" for word in ("one", "two", "three")]
    roles = ("user", "assistant", "user")
    return [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]


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
