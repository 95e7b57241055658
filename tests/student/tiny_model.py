"""A random two-layer model with a non-zero adapter, and examples for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from data.top_logprobs import TopLogprobs
from student.collator import Example, TokenIds

WORDS = 50


def token_ids(ids: Sequence[int] | TokenIds) -> TokenIds:
    """Token ids as an example holds them."""
    return np.array(ids, np.int32)


SYSTEM = token_ids((7, 3, 9, 11, 4, 8))  # start of the teacher's view of every row


def tiny(seed: int = 0, adapter: Any = None) -> Any:
    """The model, in float32; adapter: a peft config, LoRA of rank 4 by default."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": WORDS}
    base = LlamaForCausalLM(LlamaConfig(**shape, **heads))
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(base, adapter or lora).eval()


def random_top_logprobs(size: int, kept: int, seed: int) -> TopLogprobs:
    """Random distributions over the `kept` most likely words, at each of `size` tokens."""
    logits = torch.randn(size, WORDS, generator=torch.Generator().manual_seed(seed))
    top = torch.log_softmax(logits * 2, -1).topk(kept)
    return TopLogprobs(top.indices.numpy().astype(np.int32), top.values.numpy())


def row(
    prompt: Sequence[int] | TokenIds, *answers: Sequence[int] | TokenIds, kept: int = 5
) -> Example:
    """An example with everything that any objective needs."""
    tops = tuple(random_top_logprobs(len(answer), kept, int(sum(answer))) for answer in answers)
    prompted = token_ids([*SYSTEM, *prompt])
    return Example(token_ids(prompt), tuple(map(token_ids, answers)), tops, prompted)


# one answer of one token, rows of different length, several answers to one row
ROWS = [
    row((5, 6, 7), (8, 9, 2), (10, 2), (12, 13, 14, 2)),
    row((5,), (11, 2)),
    row((3, 4, 5, 6, 7), (2,)),
]
