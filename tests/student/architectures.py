"""Tiny random models of the architectures that people bring, and what works with each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import transformers

from config.errors import ConfigError
from config.peft_methods import (
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    PrefixTuningMethod,
    PTuningMethod,
)
from config.training import CrossEntropy, Distillation, StudentSettings
from engine.attention_support import supports_prefix_cache, supports_shared_prompt
from student.exactness import check_exact
from student.model import attach_adapter

VOCABULARY = 64
WINDOW = 4  # of sliding windows: shorter than any row of a test

_BASE = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_SIZE = {**_BASE, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_DENSE = {**_SIZE, "num_key_value_heads": 2, "intermediate_size": 64}
_NARROW = {**_DENSE, "head_dim": 8}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_LOCAL_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
_WINDOWS = {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]}
_DELTA_NET = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
_MAMBA = {"mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 8}
_LATENT = {
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,  # narrower than keys
}
_DEEPSEEK = {
    **_LATENT,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "moe_intermediate_size": 16,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
}
_VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
_CHUNKS = {"attention_chunk_size": WINDOW, "layer_types": ["chunked_attention", "full_attention"]}
_GPT2 = {"vocab_size": VOCABULARY, "n_layer": 2, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2}


def _model(kind: str, *settings: dict[str, Any], attention: str | None = None, **more: Any) -> Any:
    """A random model; weights are large enough for every layer to matter."""
    torch.manual_seed(0)
    merged = {name: value for group in (*settings, more) for name, value in group.items()}
    config = getattr(transformers, f"{kind}Config")(**merged)
    options = {} if attention is None else {"attn_implementation": attention}
    model = transformers.AutoModelForCausalLM.from_config(config, **options).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(std=0.2)
            elif name.endswith("bias"):
                weight.normal_(std=0.5)
    return model


ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "Apertus": partial(_model, "Apertus", _DENSE),
    "Bloom": partial(_model, "Bloom", _GPT2, hidden_size=32),
    "Cohere": partial(_model, "Cohere", _DENSE, logit_scale=0.25),
    "Cohere 2": partial(_model, "Cohere2", _NARROW, _WINDOWS),
    "DeepSeek-V3": partial(_model, "DeepseekV3", _DENSE, _DEEPSEEK),
    "Falcon": partial(_model, "Falcon", _SIZE),
    "Falcon, ALiBi": partial(_model, "Falcon", _SIZE, alibi=True),
    "Falcon-H1": partial(
        _model, "FalconH1", _NARROW, _MAMBA, mamba_d_ssm=32, mamba_n_heads=4, lm_head_multiplier=0.5
    ),
    "Gemma 2": partial(  # its soft cap of attention needs the eager one: see `load_base`
        _model,
        "Gemma2",
        _NARROW,
        _WINDOWS,
        final_logit_softcapping=3.0,
        attn_logit_softcapping=2.0,
        attention="eager",
    ),
    "Gemma 3": partial(_model, "Gemma3Text", _NARROW, _WINDOWS),
    "Gemma 3, with vision": partial(
        _model, "Gemma3", text_config={**_NARROW, **_WINDOWS}, vision_config=_VISION
    ),
    "Gemma 4": partial(
        _model,
        "Gemma4Text",
        _NARROW,
        _WINDOWS,
        global_head_dim=8,
        vocab_size_per_layer_input=VOCABULARY,
        hidden_size_per_layer_input=8,
    ),
    "GLM-4": partial(_model, "Glm4", _NARROW),
    "gpt-oss": partial(_model, "GptOss", _NARROW, _WINDOWS, _LOCAL_EXPERTS),
    "GPT-2": partial(_model, "GPT2", _GPT2, n_embd=32),
    "GPT-NeoX": partial(_model, "GPTNeoX", _SIZE, intermediate_size=64),
    "Granite": partial(_model, "Granite", _DENSE, logits_scaling=8.0, embedding_multiplier=3.0),
    "Granite 4": partial(
        _model,
        "GraniteMoeHybrid",
        _DENSE,
        _MAMBA,
        _LOCAL_EXPERTS,
        layer_types=["mamba", "attention"],
        mamba_n_heads=8,
        shared_intermediate_size=32,
    ),
    "LFM2": partial(_model, "Lfm2", _DENSE, layer_types=["conv", "full_attention"]),
    "Llama": partial(_model, "Llama", _DENSE),
    "Llama 4": partial(
        _model, "Llama4Text", _NARROW, _CHUNKS, num_local_experts=4, intermediate_size_mlp=64
    ),
    "Ministral 3": partial(_model, "Ministral3", _NARROW),
    "Mistral": partial(_model, "Mistral", _DENSE, sliding_window=None),
    "Mistral, sliding window": partial(_model, "Mistral", _DENSE, sliding_window=WINDOW),
    "Mixtral": partial(_model, "Mixtral", _DENSE, _LOCAL_EXPERTS),
    "OLMo 2": partial(_model, "Olmo2", _DENSE),
    "OLMo 3": partial(_model, "Olmo3", _DENSE, _WINDOWS),
    "Phi-2": partial(_model, "Phi", _SIZE, intermediate_size=64),
    "Phi-3": partial(_model, "Phi3", _DENSE, sliding_window=WINDOW),
    "Phi-4": partial(_model, "Phi3", _DENSE, sliding_window=None),
    "Qwen2": partial(_model, "Qwen2", _DENSE),
    "Qwen3": partial(_model, "Qwen3", _NARROW),
    "Qwen3-MoE": partial(_model, "Qwen3Moe", _NARROW, _EXPERTS),
    "Qwen3-Next": partial(
        _model, "Qwen3Next", _NARROW, _EXPERTS, _DELTA_NET, shared_expert_intermediate_size=16
    ),
    "Qwen3.5": partial(_model, "Qwen3_5Text", _NARROW, _DELTA_NET),
    "SmolLM3": partial(_model, "SmolLM3", _DENSE, no_rope_layer_interval=2),
}

_STATEFUL = {"Falcon-H1", "Granite 4", "LFM2", "Qwen3-Next", "Qwen3.5"}
_OWN_ATTENTION = {"Bloom", "Falcon", "Falcon, ALiBi", "Llama 4"}
_WINDOWED = {"Cohere 2", "Gemma 2", "Gemma 3", "Gemma 3, with vision", "Gemma 4", "gpt-oss"}
_WINDOWED |= {"Mistral, sliding window", "OLMo 3", "Phi-3"}
_FUSED_EXPERTS = {"DeepSeek-V3", "Mixtral", "Qwen3-MoE", "Qwen3-Next"}
_OTHER_LAYER_NAMES = {"Bloom", "DeepSeek-V3", "Falcon", "Falcon, ALiBi", "gpt-oss"}
_OTHER_LAYER_NAMES |= {"GPT-2", "GPT-NeoX", "Granite 4", "LFM2", "Mixtral", "Phi-2", "Phi-3"}
_OTHER_LAYER_NAMES |= {"Phi-4", "Qwen3-MoE"}
_SHARED_KEYS = {"DeepSeek-V3", "Falcon", "Falcon, ALiBi"}  # peft counts one key head per query head

LORA = LoraMethod(rank=4)

_METHODS: tuple[Method, ...] = (
    LORA,
    LoraMethod(kind="dora", rank=4),
    Ia3Method(),
    PTuningMethod(virtual_tokens=3),
    PrefixTuningMethod(virtual_tokens=3),
    FullMethod(),
)


@dataclass(frozen=True)
class ArchitectureRow:
    """What works with a family of models."""

    family: str
    shares_rows: bool  # several answers to one prompt are read in one row; else each in its own
    reuses_prefix: bool  # the system prompt's keys and values are computed once per run
    # kinds of methods: lora (rslora and qlora are alike), dora, ia3, p_tuning (prompt_tuning is
    # alike), prefix_tuning, full
    refused: tuple[str, ...]


def expected_row(family: str) -> ArchitectureRow:
    """What is known about a family: where a row or a method of it would not be exact."""
    reasons = {
        "lora": {"Llama 4"},  # transformers' decoder has another name there
        "dora": _FUSED_EXPERTS | {"Llama 4"},  # peft adapts fused experts with plain LoRA alone
        "ia3": _OTHER_LAYER_NAMES | {"Llama 4"},
        "p_tuning": {"Gemma 4", "Llama 4"},  # Gemma 4 looks ids up in every layer
        "prefix_tuning": _STATEFUL | _SHARED_KEYS | {"Llama 4"},
        "full": {"Llama 4"},
    }
    return ArchitectureRow(
        family,
        shares_rows=family not in _STATEFUL | _OWN_ATTENTION,
        reuses_prefix=family not in _STATEFUL | _OWN_ATTENTION | _WINDOWED,
        refused=tuple(method for method, families in reasons.items() if family in families),
    )


def architecture_row(family: str) -> ArchitectureRow:
    """Attaches every method to the family's model and compares its passes with the model's own."""
    base = ARCHITECTURES[family]()
    return ArchitectureRow(
        family,
        supports_shared_prompt(base),
        supports_prefix_cache(base),
        tuple(method.kind for method in _METHODS if not _is_exact(family, method)),
    )


def _is_exact(family: str, method: Method) -> bool:
    """Whether a method is not refused. Fails where it is accepted with a larger difference than
    sums in another order leave in float32."""
    adapter_off = method == LORA  # with its adapter off, every method leaves the same base
    objective = Distillation(teacher="adapter_off") if adapter_off else CrossEntropy()
    settings = StudentSettings(name="table", method=method, objective=objective)
    try:
        difference = check_exact(student_of(family, method), settings)
    except ConfigError:
        return False
    assert difference <= 1e-4, (family, method.kind, difference)
    return True


def student_of(family: str, method: Method) -> Any:
    """The family's model with a method whose parameters are far from where they start."""
    model = ARCHITECTURES[family]()
    if isinstance(method, FullMethod):
        return model
    torch.manual_seed(1)
    student = attach_adapter(model, method).eval()
    with torch.no_grad():
        for weight in student.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.2)
    return student
