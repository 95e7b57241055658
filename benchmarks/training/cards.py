"""What training takes of a graphics card: speed, memory, and the share of the card's own peak.

Random weights in the shapes of Qwen3-1.7B and -4B (their published configurations): a step's time
does not depend on what the weights know.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen3Config

from benchmarks.stopwatch import extra_peak_mb
from config.objectives import CrossEntropy
from engine.sampling import GenerationSettings
from student.collator import Example
from student.distiller import Distiller

# dense bfloat16 with float32 sums, FLOP/s, from the makers' data sheets
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
STEPS = 5  # timed, after one that is not

SHAPES = {
    "Qwen3-1.7B": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28},
    "Qwen3-4B": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36},
}
_HEADS = {"Qwen3-1.7B": (16, 8), "Qwen3-4B": (32, 8)}  # of queries, of keys and values


class Card(NamedTuple):
    """One shape on one card."""

    shape: str
    checkpointing: bool
    tokens_s: float  # of prompts and answers
    peak_gb: float
    share: float | None  # of the card's bfloat16 peak; None: a card that PEAKS does not know


def card_table() -> str:
    """Every shape with gradient checkpointing off and on, in Markdown. Needs CUDA."""
    name = torch.cuda.get_device_name()
    lines = [
        f"## {name}",
        "",
        "LoRA r 32, bfloat16, SDPA, 8 rows of 300 + 64 tokens a step. 4·N·D: the forward pass and "
        "the backward pass through frozen weights, 2·N·D each.",
        "",
        "| shape | checkpointing | tokens/s | peak GB | share of bf16 peak |",
        "| --- | --- | --- | --- | --- |",
    ]
    for card in _cards(name):
        share = "—" if card.share is None else f"{card.share:.1%}"
        lines.append(
            f"| {card.shape} | {'on' if card.checkpointing else 'off'} | {card.tokens_s:.0f} | "
            f"{card.peak_gb:.1f} | {share} |"
        )
    return "\n".join(lines) + "\n"


def _cards(name: str) -> Iterator[Card]:
    peak = next((flops for part, flops in PEAKS.items() if part in name), None)
    for shape in SHAPES:
        for checkpointing in (False, True):
            model = random_model(shape, "cuda")
            if checkpointing:
                model.get_base_model().gradient_checkpointing_enable(
                    gradient_checkpointing_kwargs={"use_reentrant": False}
                )
            yield _measured(model, shape, checkpointing, peak)
            del model
            torch.cuda.empty_cache()


def random_model(shape: str, device: str, **changes: int) -> Any:
    """A model of that shape with LoRA r 32 on every linear layer."""
    queries, keys = _HEADS[shape]
    heads = {"num_attention_heads": queries, "num_key_value_heads": keys, "head_dim": 128}
    config = Qwen3Config(
        **(SHAPES[shape] | heads | {"vocab_size": 151_936} | changes), tie_word_embeddings=True
    )
    with torch.device(device):
        base = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return get_peft_model(base, LoraConfig(r=32, lora_alpha=64, target_modules="all-linear"))


def _measured(model: Any, shape: str, checkpointing: bool, peak: float | None) -> Card:
    ids = torch.randint(0, 1000, (8, 364)).tolist()
    rows = [Example(tuple(row[:300]), (tuple(row[300:]),)) for row in ids]
    teaching = Distiller(model, CrossEntropy(), (), GenerationSettings((0,), 1), room=1 << 20)

    def step() -> None:
        model.train()
        with torch.autocast("cuda", torch.bfloat16):
            (loss,) = teaching.losses(rows)
        torch.autograd.backward(loss)
        model.zero_grad()

    peak_gb = extra_peak_mb(step) / 1000 + torch.cuda.memory_allocated() / 1e9
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(STEPS):
        step()
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - begun) / STEPS
    tokens = sum(row.length for row in rows)
    weights = sum(w.numel() for name, w in model.named_parameters() if "lora" not in name)
    share = 4 * weights * tokens / seconds / peak if peak else None
    return Card(shape, checkpointing, tokens / seconds, peak_gb, share)
