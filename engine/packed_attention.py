"""Attention of packed rows on a graphics card, through a block mask.

transformers' `sdpa` attention is extended: where a layer's mask is a `BlockMask`, FlexAttention
computes it, which skips the blocks that nobody sees. The mask decides, not a setting, so a layer
that gradient checkpointing runs again in the backward pass does the same again.
"""

from functools import cache
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

# variants of compiled code: sizes of a pass, with and without gradients, adapter and prefix
_VARIANTS = 64
_UNKNOWN_TO_MASKS = ("softcap", "s_aux", "position_bias")  # options that change scores


def attend_packed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: BlockMask, scale: float
) -> torch.Tensor:
    """[1, heads, T, width] of queries → [1, heads, T, value width].

    Under autocast a rotation may leave queries and keys in float32: all multiply in the type of the
    values, as torch's own attention does. Inside of a compiled layer the call is part of its code.
    """
    attend = flex_attention if torch.compiler.is_compiling() else _compiled_attention()
    output: torch.Tensor = attend(
        query.to(value.dtype),
        key.to(value.dtype),
        value,
        block_mask=mask,
        scale=scale,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return output


@cache
def _compiled_attention() -> Any:
    allow_variants()
    return torch.compile(flex_attention, dynamic=False)


def allow_variants() -> None:
    """Beyond its limit of variants torch would run code uncompiled, attention with all scores."""
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.config.recompile_limit = max(_VARIANTS, limit)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | BlockMask | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """A layer's attention as transformers calls it: [B, heads, T, width] → [B, T, heads, width]."""
    if not isinstance(attention_mask, BlockMask):
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return output
    unknown = [name for name in _UNKNOWN_TO_MASKS if options.get(name) is not None]
    if unknown or options.get("dropout"):
        raise ValueError(f"packed rows cannot be read with {unknown or 'dropout of attention'}")
    packed = attend_packed(query, key, value, attention_mask, options["scaling"])
    return packed.transpose(1, 2).contiguous(), None


AttentionInterface.register("sdpa", _attention)
