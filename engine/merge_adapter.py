"""A base model with an adapter folded into its weights, by peft's own arithmetic."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.models import load_base, load_tokenizer

ADAPTER_CONFIG = "adapter_config.json"  # what peft writes; a folder without it holds a whole model


def merged_weights(base: str, adapter: Path) -> Iterator[tuple[str, Any]]:
    """Names and tensors of the base with the adapter in it, as a checkpoint has them."""
    if not (adapter / ADAPTER_CONFIG).exists():
        from safetensors.torch import load_file

        for path in sorted(adapter.glob("*.safetensors")):
            yield from load_file(path).items()
        return
    merged = _merged(base, adapter)
    tied = {"lm_head.weight"} if merged.config.tie_word_embeddings else set()
    yield from ((name, tensor) for name, tensor in merged.state_dict().items() if name not in tied)


def save_merged(base: str, adapter: Path, folder: Path) -> None:
    """Writes those weights with config and tokenizer: a model that any server loads."""
    shutil.rmtree(folder, ignore_errors=True)
    if (adapter / ADAPTER_CONFIG).exists():
        import torch

        # as models are served, whatever this machine computes in
        _merged(base, adapter, dtype=torch.bfloat16).save_pretrained(folder)
    else:
        shutil.copytree(adapter, folder)
    load_tokenizer(base).save_pretrained(folder)


def _merged(base: str, adapter: Path, **options: Any) -> Any:
    from peft import PeftModel

    return PeftModel.from_pretrained(load_base(base, **options), str(adapter)).merge_and_unload()
