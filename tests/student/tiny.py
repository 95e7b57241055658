"""A random model of two layers with an adapter that is not zero, and rows for it."""

from typing import Any

import numpy
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from data.top_logprobs import TopLogprobs
from student.collator import Example

WORDS = 50
SYSTEM = (7, 3, 9, 11, 4, 8)  # how the teacher's view of every row begins


def tiny(seed: int = 0, adapter: Any = None) -> Any:
    """The model, in float32; adapter: a peft config, LoRA of rank 4 by default."""
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": WORDS}
    base = LlamaForCausalLM(LlamaConfig(**shape, **heads))
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(base, adapter or lora).eval()


def top(answer: tuple[int, ...], kept: int, seed: int) -> TopLogprobs:
    """A made distribution over the `kept` most likely of all words, at each token of an answer."""
    logits = torch.randn(len(answer), WORDS, generator=torch.Generator().manual_seed(seed))
    found = torch.log_softmax(logits * 2, -1).topk(kept)
    return TopLogprobs(found.indices.numpy().astype(numpy.int32), found.values.numpy())


def row(prompt: tuple[int, ...], *answers: tuple[int, ...], kept: int = 5) -> Example:
    """An example with all that any objective needs."""
    tops = tuple(top(answer, kept, sum(answer)) for answer in answers)
    return Example(prompt, answers, tops, (*SYSTEM, *prompt))


# one answer of one token, rows of different length, several answers to one row
ROWS = [
    row((5, 6, 7), (8, 9, 2), (10, 2), (12, 13, 14, 2)),
    row((5,), (11, 2)),
    row((3, 4, 5, 6, 7), (2,)),
]
