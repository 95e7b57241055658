"""Chat → token ids, with a cache of encoded pieces.

A tokenizer first splits a text at its added tokens and encodes each piece on its own. The pieces
are cached: of a long prompt with worked examples, only the question is encoded again.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from transformers import PreTrainedTokenizerBase

Message = dict[str, str]  # role and content, as chat templates take them

_CACHED_PIECES = 1024  # some 10 MB at 300 tokens each
_EDGES = ("", " ", "\n", " \n\n ", "\u3000")  # around texts: pieces may depend on them


class ChatEncoder:
    """Encodes chats by a tokenizer's chat template with fixed arguments."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, names: re.Pattern[str], kwargs: Mapping[str, Any]
    ) -> None:
        """`names` matches every added token."""
        self._tokenizer = tokenizer
        self._added_token = re.compile(f"({names.pattern})")
        self._kwargs = dict(kwargs)
        self._piece_ids: Callable[[str], tuple[int, ...]] = lru_cache(_CACHED_PIECES)(self._encode)
        # Pieces depend on each other where an added token strips the space beside it, or where the
        # first piece of a text gets a prefix.
        self._by_piece = all(
            self._from_pieces(turns, generation) == self.whole(turns, generation)
            for turns in map(_sample_chat, _EDGES)
            for generation in (False, True)
        )

    def __call__(self, messages: Sequence[Message], generation: bool = True) -> tuple[int, ...]:
        """The ids of `whole`, from cached pieces where they are independent."""
        if self._by_piece:
            return self._from_pieces(messages, generation)
        return self.whole(messages, generation)

    def whole(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        """The template's ids; with `generation` up to where the answer starts."""
        return tuple(self._apply(messages, generation, True))

    def _from_pieces(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        pieces = self._added_token.split(self._apply(messages, generation, False))
        return tuple(chain.from_iterable(map(self._piece_ids, pieces)))

    def _encode(self, piece: str) -> tuple[int, ...]:
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


def _sample_chat(edge: str) -> list[Message]:
    contents = [f"{edge}{word}{edge}" for word in ("one", "two", "three")]
    roles = ("user", "assistant", "user")
    return [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]
