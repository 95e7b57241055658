"""A tiny model that says one sentence, whatever it is asked; nothing has to be trained for it.

Its layers add nothing at first, so the next token depends on the last one alone: the head gives
each token of the sentence to the direction of the token before it. A student can still learn.
"""

from itertools import pairwise
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engine.models import load_tokenizer, resolve_model

SENTENCE = " library opens at nine on weekdays."
_STRENGTH = 8.0  # a logit of some 8 · 64 for the next token, against some 100 by chance


def chain_model(folder: Path) -> Path:
    """Saves the model with the embedded model's tokenizer; returns its folder.

    Behind the start of an answer it says "The library …", behind a comma " the library …".
    """
    tokenizer = load_tokenizer(resolve_model("embedded"))
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=8192,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    sentence = tokenizer.encode(SENTENCE)
    start = (tokenizer.encode("\n")[-1], *tokenizer.encode("The"))
    behind_comma = (tokenizer.encode(",")[-1], *tokenizer.encode(" the"))
    links = [*pairwise((*sentence, tokenizer.eos_token_id)), *pairwise(start)]
    links += [*pairwise(behind_comma), (start[-1], sentence[0]), (behind_comma[-1], sentence[0])]
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        for last, following in links:
            direction = model.model.embed_tokens.weight[last]
            model.lm_head.weight[following] += _STRENGTH * direction / direction.norm()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
