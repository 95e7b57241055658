"""Models of published shapes with random weights: weights do not change the time of a step."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from benchmarks.chat_tokenizer import small_chat_tokenizer
from engine.models import TorchModel


class ModelShape(NamedTuple):
    """The fields of config.json that decide the arithmetic."""

    name: str
    model_type: str  # of transformers
    fields: dict[str, Any]


def _shape(name: str, model_type: str, *sizes: int, tied: bool, **fields: Any) -> ModelShape:
    names = (
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
        *("num_attention_heads", "num_key_value_heads"),
    )
    named = dict(zip(names, sizes, strict=True))
    return ModelShape(
        name,
        model_type,
        named | {"tie_word_embeddings": tied, "max_position_embeddings": 32_768} | fields,
    )


# config.json of HuggingFaceTB/SmolLM2-135M-Instruct, Qwen/Qwen3-1.7B, Qwen3-4B and Qwen2.5-7B
SMOLLM2_135M = _shape("SmolLM2-135M", "llama", 49_152, 576, 1_536, 30, 9, 3, tied=True)
QWEN3_1_7B = _shape(
    "Qwen3-1.7B", "qwen3", 151_936, 2_048, 6_144, 28, 16, 8, tied=True, head_dim=128
)
QWEN3_4B = _shape("Qwen3-4B", "qwen3", 151_936, 2_560, 9_728, 36, 32, 8, tied=True, head_dim=128)
QWEN25_7B = _shape("Qwen2.5-7B", "qwen2", 152_064, 3_584, 18_944, 28, 28, 4, tied=False)


def save_random_model(shape: ModelShape, folder: Path, device: str) -> Path:
    """`folder` with random weights in bfloat16, made on `device`, and a small tokenizer."""
    if (folder / "config.json").exists():
        return folder
    config = AutoConfig.for_model(shape.model_type, **shape.fields)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    small_chat_tokenizer().save_pretrained(folder)
    return folder


def layer_parameters(causal: TorchModel) -> int:
    """Weights that every token is multiplied by: without the embedding, the head and adapters.

    A 4-bit weight stands in a byte for two.
    """
    layers = causal.get_decoder().layers
    return sum(
        weight.numel() * (2 if weight.dtype == torch.uint8 else 1)
        for name, weight in layers.named_parameters()
        if "lora_" not in name
    )
