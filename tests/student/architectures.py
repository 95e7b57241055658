"""Tiny random models of the architectures that people bring."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import transformers

WORDS = 64
WINDOW = 4  # of sliding windows: shorter than any row of a test

_SIZE = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2}
_SIZE |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
_DENSE = {**_SIZE, **_HEADS, "intermediate_size": 64}
_NARROW = {**_DENSE, "head_dim": 8}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_SLIDING_FULL = ["sliding_attention", "full_attention"]
_DELTA = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
_GEMMA3 = {**_NARROW, "sliding_window": WINDOW, "layer_types": _SLIDING_FULL}


def _model(kind: str, **settings: Any) -> Any:
    """A random model; weights are large enough for every layer to matter."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**settings)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.2)
            elif name.endswith("bias"):
                weight.normal_(std=0.5)
    return model


ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "Llama": partial(_model, "Llama", **_DENSE),
    "Qwen2": partial(_model, "Qwen2", **_DENSE),
    "Qwen3": partial(_model, "Qwen3", **_NARROW),
    "Qwen3-MoE": partial(_model, "Qwen3Moe", **_NARROW, **_EXPERTS),
    "Qwen3-Next": partial(
        _model, "Qwen3Next", **_NARROW, **_EXPERTS, **_DELTA, shared_expert_intermediate_size=16
    ),
    "Qwen3.5": partial(_model, "Qwen3_5Text", **_NARROW, **_DELTA),
    "Gemma 2": partial(
        _model,
        "Gemma2",
        **_NARROW,
        sliding_window=WINDOW,
        final_logit_softcapping=3.0,
        attn_logit_softcapping=5.0,
    ),
    "Gemma 3 (text)": partial(_model, "Gemma3Text", **_GEMMA3),
    "Gemma 3 (composite)": partial(
        _model,
        "Gemma3",
        text_config=_GEMMA3,
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        },
    ),
    "Mistral": partial(_model, "Mistral", **_DENSE, sliding_window=None),
    "Mistral, sliding window": partial(_model, "Mistral", **_DENSE, sliding_window=WINDOW),
    "Phi-2": partial(_model, "Phi", **_SIZE, num_attention_heads=4, intermediate_size=64),
    "Phi-3": partial(_model, "Phi3", **_DENSE, sliding_window=WINDOW),
    "Phi-4": partial(_model, "Phi3", **_DENSE, sliding_window=None),
    "Granite": partial(_model, "Granite", **_DENSE, logits_scaling=8.0, embedding_multiplier=3.0),
    "Cohere": partial(_model, "Cohere", **_DENSE, logit_scale=0.0625),
    "Cohere 2": partial(
        _model, "Cohere2", **_NARROW, sliding_window=WINDOW, layer_types=_SLIDING_FULL
    ),
    "Falcon": partial(_model, "Falcon", **_SIZE, num_attention_heads=4),
    "Falcon, ALiBi": partial(
        _model, "Falcon", **_SIZE, num_attention_heads=4, alibi=True, new_decoder_architecture=False
    ),
    "Falcon-H1": partial(
        _model,
        "FalconH1",
        **_NARROW,
        mamba_d_ssm=32,
        mamba_n_heads=4,
        mamba_d_head=8,
        mamba_d_state=8,
        mamba_n_groups=1,
        mamba_chunk_size=8,
        lm_head_multiplier=0.5,
    ),
    "GLM-4": partial(_model, "Glm4", **_NARROW),
    "OLMo 2": partial(_model, "Olmo2", **_DENSE),
    "DeepSeek-V3": partial(
        _model,
        "DeepseekV3",
        **{**_DENSE, "num_key_value_heads": 4},
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_group=2,
        topk_group=1,
        moe_intermediate_size=16,
        n_shared_experts=1,
        first_k_dense_replace=1,
        q_lora_rank=16,
        kv_lora_rank=16,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
    ),
    "gpt-oss": partial(
        _model,
        "GptOss",
        **_NARROW,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=WINDOW,
        layer_types=_SLIDING_FULL,
    ),
    "GPT-NeoX": partial(_model, "GPTNeoX", **_SIZE, num_attention_heads=4, intermediate_size=64),
    "GPT-2": partial(
        _model,
        "GPT2",
        vocab_size=WORDS,
        n_embd=32,
        n_layer=2,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "LFM2": partial(_model, "Lfm2", **_DENSE, layer_types=["conv", "full_attention"]),
    "SmolLM3": partial(_model, "SmolLM3", **_DENSE, no_rope_layer_interval=2),
    "Llama 4": partial(
        _model,
        "Llama4Text",
        **_NARROW,
        num_local_experts=4,
        intermediate_size_mlp=64,
        attention_chunk_size=WINDOW,
        layer_types=["chunked_attention", "full_attention"],
        no_rope_layers=[1, 0],
    ),
    "Bloom": partial(
        _model,
        "Bloom",
        vocab_size=WORDS,
        hidden_size=32,
        n_layer=2,
        n_head=4,
        bos_token_id=1,
        eos_token_id=2,
    ),
}
