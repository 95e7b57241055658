"""Merges an adapter into the weights of its base model, by peft's own arithmetic."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.models import TorchModel, load_base, load_tokenizer

ADAPTER_CONFIG = "adapter_config.json"  # written by peft; a folder without it has a whole model


def merged_weights(base: str, adapter: Path) -> Iterator[tuple[str, Any]]:
    """Names and tensors of the merged model, as in a checkpoint."""
    if not (adapter / ADAPTER_CONFIG).exists():
        from safetensors.torch import load_file

        for path in sorted(adapter.glob("*.safetensors")):
            yield from load_file(path).items()
        return
    merged = _merge(base, adapter)
    tied = {"lm_head.weight"} if merged.config.tie_word_embeddings else set()
    yield from ((name, tensor) for name, tensor in merged.state_dict().items() if name not in tied)


def save_merged(base: str, adapter: Path, folder: Path) -> None:
    """Writes the merged weights with config and tokenizer: a model that any server can load."""
    shutil.rmtree(folder, ignore_errors=True)
    if (adapter / ADAPTER_CONFIG).exists():
        import torch

        # bfloat16 on every machine, because models are served in it
        _merge(base, adapter, dtype=torch.bfloat16).save_pretrained(folder)
    else:
        shutil.copytree(adapter, folder)
    load_tokenizer(base).save_pretrained(folder)


def _merge(base: str, adapter: Path, **options: Any) -> TorchModel:
    from peft import PeftModel

    return PeftModel.from_pretrained(load_base(base, **options), str(adapter)).merge_and_unload()
