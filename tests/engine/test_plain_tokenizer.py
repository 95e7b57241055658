"""A tokenizer that is read without AutoTokenizer is the one that AutoTokenizer reads."""

from transformers import AutoTokenizer
from transformers.models.auto.tokenization_auto import (
    MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS,
    TOKENIZER_MAPPING_NAMES,
)

from engine.embedded import embedded_model
from engine.models import PLAIN_TOKENIZERS, load_tokenizer

TEXTS = ("Where is room 12?", " «Да» — ещё\n\n\t", "<|im_end|> 你好 🙂")


def test_the_same_tokenizer() -> None:
    """Class, vocabulary, special tokens, chat template, and the ids of odd texts."""
    folder = str(embedded_model())
    ours, theirs = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    assert type(ours) is type(theirs) and ours.get_vocab() == theirs.get_vocab()
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert ours.chat_template == theirs.chat_template
    for text in TEXTS:
        assert ours.encode(text) == theirs.encode(text)


def test_no_model_type_for_which_auto_tokenizer_would_choose_another_class() -> None:
    for model_type in PLAIN_TOKENIZERS:
        assert model_type not in MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS
        assert TOKENIZER_MAPPING_NAMES.get(model_type) in (None, "TokenizersBackend")
