"""Chats as token ids, from cached pieces of their text."""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import chain

from prompts.chat_rendering import ChatRendering, Message, TemplateRefusal

_CACHED_PIECES = 1024  # some 10 MB at 300 tokens each
_EDGES = (
    "",
    " ",
    "\n",
    " \n\n ",
    "\u3000",
    "\t ё\u0301",
)  # around texts: pieces may depend on them


class ChatEncoder:
    """Encodes chats by a tokenizer's chat template.

    A tokenizer first splits a text at its added tokens and encodes each piece on its own. The
    pieces are cached: of a long prompt with worked examples, only the question is encoded again.
    """

    def __init__(self, rendering: ChatRendering) -> None:
        """Cuts only where the tokenizer does, and only if samples come out equal."""
        tokenizer = rendering.tokenizer
        self._rendering = rendering
        self._encode = partial(tokenizer.encode, add_special_tokens=False)
        self._piece_ids = lru_cache(_CACHED_PIECES)(self._encode)
        added = tokenizer.added_tokens_decoder.values()
        # the tokenizer looks for normalised tokens later, within the pieces between the others
        names = sorted((t.content for t in added if not t.normalized), key=len, reverse=True)
        self._cut = re.compile(f"({'|'.join(map(re.escape, filter(None, names))) or '(?!)'})")
        # Pieces depend on each other where an added token strips the space beside it, or where the
        # first piece of a text gets a prefix.
        self._by_piece = not any(t.lstrip or t.rstrip or t.single_word for t in added) and all(
            self._from_pieces(turns, generation) == self.whole(turns, generation)
            for turns in _sample_chats(rendering)
            for generation in (False, True)
        )

    def __call__(self, messages: Sequence[Message], generation: bool = True) -> tuple[int, ...]:
        """The ids of `whole`, from cached pieces where they are independent."""
        encode = self._from_pieces if self._by_piece else self.whole
        return encode(messages, generation)

    def whole(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        """The template's ids; with `generation` up to where the answer starts."""
        return tuple(self._encode(self._rendering.text(messages, generation)))

    def _from_pieces(self, messages: Sequence[Message], generation: bool) -> tuple[int, ...]:
        pieces = self._cut.split(self._rendering.text(messages, generation))
        return tuple(chain.from_iterable(map(self._piece_ids, pieces)))


def _sample_chats(rendering: ChatRendering) -> list[list[Message]]:
    roles = ("user", "assistant", "user")
    chats = []
    for edge in _EDGES:
        contents = [f"{edge}{word}{edge}" for word in ("one", "two", "three")]
        chats.append(
            [{"role": role, "content": text} for role, text in zip(roles, contents, strict=True)]
        )
    with_system = [{"role": "system", "content": " Be\n\nbrief. "}, *chats[0]]
    try:
        rendering.text(with_system)
    except TemplateRefusal:
        return chats
    return [*chats, with_system]
