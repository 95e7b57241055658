"""Merges an adapter into the weights of its base model, by peft's own arithmetic."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from config.generation import Dtype
from data.file_mode import give_usual_mode
from engine.models import TorchModel, load_base, load_tokenizer
from engine.precision import Precision, precision

ADAPTER_CONFIG = "adapter_config.json"  # written by peft; a folder without it has a whole model


def merged_weights(base: str, adapter: Path, dtype: Dtype = "auto") -> Iterator[tuple[str, Any]]:
    """Names and tensors of the merged model, as in a checkpoint."""
    if not (adapter / ADAPTER_CONFIG).exists():
        from safetensors.torch import load_file

        for path in sorted(adapter.glob("*.safetensors")):
            yield from load_file(path).items()
        return
    merged = _merge(base, adapter, precision(dtype))
    tied = {"lm_head.weight"} if merged.config.tie_word_embeddings else set()
    yield from ((name, tensor) for name, tensor in merged.state_dict().items() if name not in tied)


def save_merged(base: str, adapter: Path, folder: Path, dtype: Dtype = "auto") -> None:
    """Writes the merged weights with config and tokenizer: a model that any server can load.

    In bfloat16 on a CPU too, because models are served in it; in float16 for a GPU without it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if (adapter / ADAPTER_CONFIG).exists():
        served: Precision = "float16" if precision(dtype) == "float16" else "bfloat16"
        _merge(base, adapter, served).save_pretrained(folder)
    else:
        shutil.copytree(adapter, folder)
    load_tokenizer(base).save_pretrained(folder)
    give_usual_mode(folder)


def load_merged(base: str, adapter: Path, dtype: Precision) -> TorchModel:
    """The base with an adapter merged into its weights, or the whole model of the folder."""
    if (adapter / ADAPTER_CONFIG).exists():
        return _merge(base, adapter, dtype)
    return load_base(str(adapter), dtype=dtype)


def _merge(base: str, adapter: Path, dtype: Precision) -> TorchModel:
    from peft import PeftModel

    model = load_base(base, dtype=dtype)
    return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
