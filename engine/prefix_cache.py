"""The KV cache of a prefix that many prompts share, such as the system prompt, computed once.

All rows of a batch attend to the same copy of it, in training and where answers are generated.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.attention.bias import causal_lower_right
from torch.nn.attention.flex_attention import BlockMask
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from engine.packed_attention import attend_packed

_ATTENTION = "with_prefix_cache"  # name of our attention in transformers' registry


class PrefixCache:
    """Keys and values of the first P tokens by layer, each [1, heads, P, head width].

    Its attention stays the same function and is not traced: a compiled layer would be compiled anew
    for each layer's number, and for each function.
    """

    def __init__(self, length: int, layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]) -> None:
        self.length = length
        self.layers = layers
        self.attention: Callable[..., Any] = torch.compiler.disable(  # type: ignore[no-untyped-call]
            partial(_attention, layers)
        )


@contextmanager
def attending_to(causal: Any, prefix: PrefixCache | None) -> Iterator[None]:
    """Every layer of the model also attends to the prefix.

    The batch's position ids must start after it. The batch's mask covers its own tokens only.
    """
    with _attending_by(causal, prefix.attention if prefix else None):
        yield


@contextmanager
def _attending_by(causal: Any, attention: Callable[..., Any] | None) -> Iterator[None]:
    """Every layer attends by a function in place of transformers' own; None: by its own."""
    config = causal.get_decoder().config
    default = config._attn_implementation
    if attention is not None:
        AttentionInterface.register(_ATTENTION, attention)
        config._attn_implementation = _ATTENTION
    try:
        yield
    finally:
        config._attn_implementation = default


def _attention(
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...],
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | BlockMask | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """A layer's attention as transformers calls it: [B, heads, T, width] → [B, T, heads, width].

    `key` and `value` have as many heads as the prefix; several query heads share each.
    """
    layer, scale = layers[module.layer_idx], options["scaling"]
    if isinstance(attention_mask, BlockMask):  # one row, whose mask covers the prefix too
        keys, values = (torch.cat(parts, -2) for parts in zip(layer, (key, value), strict=True))
        output = attend_packed(query, keys, values, attention_mask, scale)
        return output.transpose(1, 2).contiguous(), None
    if query.shape[-2] == 1 and attention_mask is not None:
        output = attend_decoding(query, key, value, layer, attention_mask, scale)
        return output.transpose(1, 2), None
    merged = query.device.type == "cpu" and query.shape[-1] == value.shape[-1]
    attend = attend_merged if merged else attend_concatenated
    return attend(query, key, value, layer, attention_mask, scale).transpose(1, 2), None


def attend_merged(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    prefix: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    scale: float,
) -> torch.Tensor:
    """Attends to the prefix and to the batch's own tokens separately, then merges both softmaxes.

    All rows share one copy of the prefix KV cache; their queries are folded into one batch row, so
    the prefix is neither expanded nor masked. The log-sum-exps weigh the two parts (FlashAttention,
    Dao et al., arXiv 2205.14135, section 3.1). For CPU, whose kernel returns them; it takes only
    values as wide as keys.
    """
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    rows, heads, width, _ = query.shape
    kv_heads = prefix[0].shape[1]
    group = heads // kv_heads  # query heads per key head
    folded = query.reshape(rows, kv_heads, group, width, -1).transpose(0, 1).flatten(1, 3)[None]
    prefix_out, prefix_lse = (  # [B, heads, T, width] and [B, heads, T, 1]
        part.reshape(kv_heads, rows, group, width, -1).transpose(0, 1).flatten(1, 2)
        for part in flash(folded, *prefix, scale=scale)
    )
    if mask is not None:
        mask = torch.zeros(mask.shape, dtype=query.dtype).masked_fill(~mask, float("-inf"))
    keys, values = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    batch_out, batch_lse = flash(
        query, keys, values, is_causal=mask is None, attn_mask=mask, scale=scale
    )
    prefix_weight = (prefix_lse - batch_lse[..., None]).sigmoid()
    return torch.lerp(batch_out, prefix_out, prefix_weight.to(batch_out.dtype))


def attend_concatenated(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    prefix: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    scale: float,
) -> torch.Tensor:
    """Attends to the batch's own tokens behind a copy of the prefix in every row."""
    rows, _, width, _ = query.shape
    keys = torch.cat([prefix[0].expand(rows, -1, -1, -1), key], -2)
    values = torch.cat([prefix[1].expand(rows, -1, -1, -1), value], -2)
    full_mask: Any = causal_lower_right(width, keys.shape[-2])
    if mask is not None:
        full_mask = torch.nn.functional.pad(mask, (prefix[0].shape[-2], 0), value=True)
    output: torch.Tensor = scaled_dot_product_attention(
        query, keys, values, attn_mask=full_mask, scale=scale, enable_gqa=True
    )
    return output


def attend_decoding(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    prefix: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor,
    scale: float,
) -> torch.Tensor:
    """Attends from one position per row, by plain products: no keys are copied or repeated.

    `mask`: [B, 1, 1, keys] of the batch's own tokens.
    """
    rows, heads, _, width = query.shape
    kv_heads, length = key.shape[1], prefix[0].shape[-2]
    group = heads // kv_heads  # query heads per key head
    grouped = query.view(rows, kv_heads, group, width) * scale
    folded = grouped.transpose(0, 1).reshape(kv_heads, rows * group, width)
    to_prefix = (folded @ prefix[0][0].mT).view(kv_heads, rows, group, length).transpose(0, 1)
    to_own = (grouped @ key.mT).masked_fill(~mask, float("-inf"))  # [B, kv heads, group, keys]
    weights = torch.cat([to_prefix, to_own], -1).softmax(-1, torch.float32).to(query.dtype)
    on_prefix = weights[..., :length].transpose(0, 1).reshape(kv_heads, rows * group, length)
    of_prefix = (on_prefix @ prefix[1][0]).view(kv_heads, rows, group, -1).transpose(0, 1)
    output: torch.Tensor = of_prefix + weights[..., length:] @ value
    return output.flatten(1, 2)[:, :, None]  # [B, heads, 1, value width]


def common_prefix(prompts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """The tokens that all prompts start with. At least one token of each prompt is left over."""
    prefix = prompts[0][: min(map(len, prompts)) - 1]
    for prompt in prompts:
        different = (prompt[: len(prefix)] != prefix).nonzero()[0]
        if len(different):
            prefix = prefix[: different[0]]
    return prefix


@torch.no_grad()
def compute_prefix(causal: Any, ids: NDArray[np.int32]) -> PrefixCache:
    """The keys and values of `ids`, by the model as it is: in training, behind `base_only`.

    They are taken where a layer attends to them: a model's own cache may keep them compressed.
    """
    layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def attention(
        module: Any, query: Any, key: torch.Tensor, value: torch.Tensor, *rest: Any, **options: Any
    ) -> Any:
        layers[module.layer_idx] = key, value
        return sdpa_attention_forward(module, query, key, value, *rest, **options)

    device = causal.get_input_embeddings().weight.device
    input_ids = torch.from_numpy(ids).to(device, torch.long)[None]  # [1, P]
    with _attending_by(causal, attention):
        causal.get_decoder()(input_ids=input_ids, use_cache=False)
    return PrefixCache(len(ids), tuple(layers[index] for index in sorted(layers)))
