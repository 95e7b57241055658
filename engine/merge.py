"""A base model with an adapter folded into its weights, by peft's own arithmetic."""

from pathlib import Path
from typing import Any


def merged_weights(base: str, adapter: Path) -> list[tuple[str, Any]]:
    """Names and bfloat16 tensors of the base with the adapter in it, as a checkpoint has them."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.bfloat16, trust_remote_code=False, use_safetensors=True
    )
    merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    tied = {"lm_head.weight"} if merged.config.tie_word_embeddings else set()
    return [(name, tensor) for name, tensor in merged.state_dict().items() if name not in tied]
