"""Training on a GPU: speed, memory, and the share of the card's peak FLOP/s.

Random weights in the shapes of Qwen3-1.7B and -4B (their published configurations): a step's time
does not depend on the values of the weights.
"""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Qwen3Config

from benchmarks.stopwatch import extra_peak_mb
from config.objectives import CrossEntropy
from engine.hf_generation import GenerationSettings
from student.collator import NO_TOKENS, Example
from student.distiller import Distiller

# dense bfloat16 with float32 sums, FLOP/s, from the makers' data sheets
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
TIMED_STEPS = 5  # after one untimed step

SHAPES = {
    "Qwen3-1.7B": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28},
    "Qwen3-4B": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36},
}
_HEADS = {"Qwen3-1.7B": (16, 8), "Qwen3-4B": (32, 8)}  # of queries, of keys and values


class CardMeasurement(NamedTuple):
    """One model shape on one card."""

    shape: str
    checkpointing: bool
    tokens_s: float  # of prompts and answers
    peak_gb: float
    share: float | None  # of the card's bfloat16 peak; None: the card is not in PEAKS


def card_table() -> str:
    """A Markdown table of every shape with gradient checkpointing off and on. Needs CUDA."""
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
    for measurement in _measurements(name):
        share = "—" if measurement.share is None else f"{measurement.share:.1%}"
        lines.append(
            f"| {measurement.shape} | {'on' if measurement.checkpointing else 'off'} | "
            f"{measurement.tokens_s:.0f} | {measurement.peak_gb:.1f} | {share} |"
        )
    return "\n".join(lines) + "\n"


def _measurements(name: str) -> Iterator[CardMeasurement]:
    peak = next((flops for part, flops in PEAKS.items() if part in name), None)
    for shape in SHAPES:
        for checkpointing in (False, True):
            model = random_model(shape, "cuda")
            if checkpointing:
                model.get_base_model().gradient_checkpointing_enable(
                    gradient_checkpointing_kwargs={"use_reentrant": False}
                )
            yield _measure(model, shape, checkpointing, peak)
            del model
            torch.cuda.empty_cache()


def random_model(shape: str, device: str, **changes: int) -> Any:
    """A model of this shape with LoRA r 32 on every linear layer."""
    queries, keys = _HEADS[shape]
    heads = {"num_attention_heads": queries, "num_key_value_heads": keys, "head_dim": 128}
    config = Qwen3Config(
        **(SHAPES[shape] | heads | {"vocab_size": 151_936} | changes), tie_word_embeddings=True
    )
    with torch.device(device):
        base = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return get_peft_model(base, LoraConfig(r=32, lora_alpha=64, target_modules="all-linear"))


def _measure(model: Any, shape: str, checkpointing: bool, peak: float | None) -> CardMeasurement:
    ids = np.random.default_rng(0).integers(0, 1000, (8, 364), np.int32)
    rows = [Example(row[:300], (row[300:],)) for row in ids]
    distiller = Distiller(model, CrossEntropy(), NO_TOKENS, GenerationSettings((0,), 1), 1 << 20)

    def step() -> None:
        model.train()
        with torch.autocast("cuda", torch.bfloat16):
            (loss,) = distiller.losses(rows)
        torch.autograd.backward(loss)
        model.zero_grad()

    peak_gb = extra_peak_mb(step) / 1000 + torch.cuda.memory_allocated() / 1e9
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(TIMED_STEPS):
        step()
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - start) / TIMED_STEPS
    tokens = sum(row.length for row in rows)
    base = [weight for name, weight in model.named_parameters() if "lora" not in name]
    weights = sum(weight.numel() for weight in base)
    share = 4 * weights * tokens / seconds / peak if peak else None
    return CardMeasurement(shape, checkpointing, tokens / seconds, peak_gb, share)
