"""Chat → token ids, where most of the text is the same every time.

A tokenizer cuts a text at its added tokens before it does anything else, so that what lies between
two of them has the ids that it has alone. Those pieces are encoded once and remembered: of a long
prompt and its worked examples only the question is left to be encoded.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from transformers import PreTrainedTokenizerBase

Message = dict[str, str]  # role and content: the form that chat templates take

_REMEMBERED = 1024  # pieces; of 300 tokens each, some 10 MB
_EDGES = ("", " ", "\n", " \n\n ", "\u3000")  # where pieces could depend on each other


class ChatEncoder:
    """A tokenizer's own chat template, with its arguments."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, names: re.Pattern[str], kwargs: Mapping[str, Any]
    ) -> None:
        """`names` matches every added token."""
        self._tokenizer = tokenizer
        self._cut = re.compile(f"({names.pattern})")
        self._kwargs = dict(kwargs)
        self._piece: Callable[[str], tuple[int, ...]] = lru_cache(_REMEMBERED)(self._encoded)
        # Not so where a token swallows the space beside it, or a text's first piece gets a prefix.
        self._by_piece = all(
            self._from_pieces(turns, generation) == self.whole(turns, generation)
            for turns in map(_turns, _EDGES)
            for generation in (False, True)
        )

    def __call__(self, messages: Sequence[Message], generation: bool = True) -> tuple[int, ...]:
        """The ids of `whole`, most of them remembered."""
        if self._by_piece:
            return self._from_pieces(messages, generation)
        return self.whole(messages, generation)

    def whole(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        """The template's ids, up to where the answer starts if `generation` is asked for."""
        return tuple(self._apply(messages, generation, True))

    def _from_pieces(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        pieces = self._cut.split(self._apply(messages, generation, False))
        return tuple(chain.from_iterable(map(self._piece, pieces)))

    def _encoded(self, piece: str) -> tuple[int, ...]:
        ids: list[int] = self._tokenizer.encode(piece, add_special_tokens=False)
        return tuple(ids)

    def _apply(self, messages: Sequence[Message], generation: bool, tokenize: bool) -> Any:
        return self._tokenizer.apply_chat_template(
            list(messages),
            add_generation_prompt=generation,
            tokenize=tokenize,
            return_dict=False,
            **self._kwargs,
        )


def _turns(edge: str) -> list[Message]:
    said = [f"{edge}{word}{edge}" for word in ("one", "two", "three")]
    roles = ("user", "assistant", "user")
    return [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
