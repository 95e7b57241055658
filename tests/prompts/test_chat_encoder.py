"""A chat's ids from remembered pieces are those of the whole text, or the pieces are not used."""

import copy
import random
from datetime import date
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Metaspace
from transformers import PreTrainedTokenizerFast

from engine.models import load_tokenizer, resolve_model
from prompts.chat_encoder import ChatEncoder
from prompts.chat_rendering import ChatRendering

TEXTS = (
    "Привет, как дела?",
    "  two  spaces ",
    "\n\ttab\n",
    "",
    "a'll 1234567 b",
    "ёлка 🎄 <b>",
    "\u3000",
)


def encoder(tokenizer: Any) -> ChatEncoder:
    """Of the tokenizer's own template, without arguments."""
    return ChatEncoder(ChatRendering(tokenizer, {}, date(2026, 11, 27)))


@pytest.mark.parametrize("seed", range(20))
def test_the_pieces_are_the_whole(seed: int) -> None:
    """Random chats, asked twice: the second time from memory."""
    encode, rng = encoder(load_tokenizer(resolve_model("embedded"))), random.Random(seed)
    assert encode._by_piece
    roles = ("system", "user", "assistant", "user")[rng.randrange(2) :]
    chat = [{"role": role, "content": "".join(rng.choices(TEXTS, k=3))} for role in roles]
    for generation in (False, True, True):
        assert encode(chat, generation) == encode.whole(chat, generation)


def _first_words() -> Any:
    """As sentencepiece models do: a mark before the first word of a text, and of no other piece."""
    vocab = {
        word: at for at, word in enumerate(("?", "user", "▁user", "one", "▁one", "what", "▁what"))
    }
    model = Tokenizer(WordLevel(vocab, unk_token="?"))
    model.pre_tokenizer = Metaspace(prepend_scheme="first")
    return model


def test_where_pieces_depend_on_each_other_the_whole_is_encoded() -> None:
    """A mark put before a text's first word, and a token that takes the spaces beside it, would
    give other ids piece by piece."""
    swallows = copy.deepcopy(load_tokenizer(resolve_model("embedded")))
    token = AddedToken("<|im_end|>", rstrip=True, special=True)
    swallows.add_tokens([token], special_tokens=True)
    marks = PreTrainedTokenizerFast(tokenizer_object=_first_words(), unk_token="?")
    marks.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
    marks.chat_template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    for tokenizer in (swallows, marks):
        encode = encoder(tokenizer)
        assert not encode._by_piece
        chat = [{"role": "user", "content": "what"}]
        assert encode(chat) == encode.whole(chat, True) != encode._from_pieces(chat, True)
