"""Bases that people bring and that are no plain language model with a chat template."""

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from engine.models import load_tokenizer, resolve_model

WORDS = 49_152  # of the embedded model's tokenizer
_SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}


def llama(**settings: object) -> LlamaConfig:
    """The shape of a tiny model; `settings` take precedence."""
    return LlamaConfig(**{**_SHAPE, **_HEADS, "vocab_size": WORDS, **settings})


def save(folder: Path, model: PreTrainedModel) -> str:
    """The folder of a model, with the embedded model's tokenizer."""
    model.save_pretrained(folder)
    load_tokenizer(resolve_model("embedded")).save_pretrained(folder)
    return str(folder)


def plain(folder: Path, **settings: object) -> str:
    """A tiny random Llama."""
    torch.manual_seed(0)
    return save(folder, LlamaForCausalLM(llama(**settings)))


def with_config(folder: Path, **values: object) -> str:
    """A tiny random Llama with other values in its config.json."""
    path = Path(plain(folder)) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")
    return str(folder)


def adapter(folder: Path) -> str:
    """A peft adapter without its base."""
    model = get_peft_model(LlamaForCausalLM(llama()), LoraConfig(r=4, target_modules="all-linear"))
    return save(folder, model)


def reward_model(folder: Path) -> str:
    """A classifier: its head is no head over words."""
    return save(folder, LlamaForSequenceClassification(llama()))


def encoder(folder: Path) -> str:
    """BERT: transformers loads it as a causal model, but it reads later words."""
    torch.manual_seed(0)
    shape = {**_SHAPE, "num_attention_heads": 4, "max_position_embeddings": 4096}
    # as in trained weights, words matter to each other
    config = BertConfig(**shape, vocab_size=WORDS, initializer_range=0.2)
    return save(folder, BertForMaskedLM(config))


def t5(folder: Path) -> str:
    """An encoder and a decoder."""
    sizes = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
    return save(folder, T5ForConditionalGeneration(T5Config(**sizes, vocab_size=WORDS)))


def bart(folder: Path) -> str:
    """An encoder and a decoder, of which transformers would load the decoder alone."""
    sizes = {f"{part}_{size}": 1 for part in ("encoder", "decoder") for size in ("layers",)}
    sizes |= {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "d_model": 32}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    return save(
        folder, BartForConditionalGeneration(BartConfig(**sizes, **heads, vocab_size=WORDS))
    )


def multimodal(folder: Path) -> str:
    """Gemma 3 with an encoder of images, as its larger sizes are published."""
    torch.manual_seed(0)
    text = {**_SHAPE, **_HEADS, "head_dim": 8, "vocab_size": WORDS, "sliding_window": 16}
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    config = Gemma3Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        image_token_index=5,
        boi_token_index=6,
        eoi_token_index=7,
    )
    return save(folder, Gemma3ForConditionalGeneration(config))
