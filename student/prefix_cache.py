"""The system prompt read once: keys and values of a frozen model's constant beginning.

The teacher's view of every row starts with the same tokens, and with the adapter off the model
that reads them never changes: what it computes for them is kept for the whole run.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, DynamicCache

_NAME = "behind_a_prefix"  # of our attention, in transformers' list


class Prefix(NamedTuple):
    """Keys and values of the first P tokens by layer, each [1, heads, P, width of a head]."""

    length: int
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]


@contextmanager
def behind(causal: Any, prefix: Prefix | None) -> Iterator[None]:
    """Meanwhile every layer of a causal model attends to the prefix as well.

    The batch's position ids begin behind it; its mask, if it has one, is about its own tokens.
    """
    usual = causal.config._attn_implementation
    if prefix is not None:
        AttentionInterface.register(_NAME, partial(_attend, prefix))
        causal.config._attn_implementation = _NAME
    try:
        yield
    finally:
        causal.config._attn_implementation = usual


def _attend(
    prefix: Prefix,
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """A layer's attention, as transformers calls it: [B, heads, T, width] → [B, T, heads, width].

    `key` and `value` have as many heads as the prefix's; several queries share each.
    """
    way = attend_twice if query.device.type == "cpu" else attend_once
    seen = way(query, key, value, prefix.layers[module.layer_idx], attention_mask, more["scaling"])
    return seen.transpose(1, 2), None


def attend_twice(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    before: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    scale: float,
) -> torch.Tensor:
    """To the prefix and to the own tokens, each with a softmax of its own; then joined.

    To the prefix all rows and heads attend as if they were one row: it is neither copied nor
    masked. The two sums of exponentials say how much each part counts (as in FlashAttention, Dao
    et al., arXiv 2205.14135, section 3.1). On a CPU, whose kernel gives their logarithms.
    """
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    rows, heads, width, _ = query.shape
    shared = before[0].shape[1]
    each = heads // shared  # queries to a head of the keys
    folded = query.reshape(rows, shared, each, width, -1).transpose(0, 1).flatten(1, 3)[None]
    ahead, ahead_sum = (  # [B, heads, T, w] and [B, heads, T, 1]
        part.reshape(shared, rows, each, width, -1).transpose(0, 1).flatten(1, 2)
        for part in flash(folded, *before, scale=scale)
    )
    if mask is not None:
        mask = torch.zeros(mask.shape, dtype=query.dtype).masked_fill(~mask, float("-inf"))
    keys, values = key.repeat_interleave(each, 1), value.repeat_interleave(each, 1)
    own, own_sum = flash(query, keys, values, is_causal=mask is None, attn_mask=mask, scale=scale)
    share = (ahead_sum - own_sum[..., None]).sigmoid()
    return torch.lerp(own, ahead, share.to(own.dtype))


def attend_once(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    before: tuple[torch.Tensor, torch.Tensor],
    mask: torch.Tensor | None,
    scale: float,
) -> torch.Tensor:
    """To the prefix and the own tokens put behind a copy of it in every row."""
    rows, _, width, _ = query.shape
    keys = torch.cat([before[0].expand(rows, -1, -1, -1), key], -2)
    values = torch.cat([before[1].expand(rows, -1, -1, -1), value], -2)
    seen: Any = causal_lower_right(width, keys.shape[-2])
    if mask is not None:
        seen = torch.nn.functional.pad(mask, (before[0].shape[-2], 0), value=True)
    found: torch.Tensor = scaled_dot_product_attention(
        query, keys, values, attn_mask=seen, scale=scale, enable_gqa=True
    )
    return found


def shared_prefix(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The tokens with which all prompts begin; one token at least is left to each of them."""
    shortest, longest = min(prompts), max(prompts)  # those that differ first differ most
    same = 0
    for one, other in zip(shortest, longest, strict=False):
        if one != other:
            break
        same += 1
    return shortest[: min(same, *(len(prompt) - 1 for prompt in prompts))]


def can_share(config: Any) -> bool:
    """Whether every layer of a model attends to all that came before."""
    kinds = getattr(config, "layer_types", None) or []
    sliding = getattr(config, "sliding_window", None) and not kinds
    return not sliding and all(kind == "full_attention" for kind in kinds)


@torch.no_grad()
def read_prefix(causal: Any, ids: Sequence[int]) -> Prefix:
    """What a causal model computes for `ids`; to be called as the teacher is: eval, adapter off."""
    device = causal.get_input_embeddings().weight.device
    cache = DynamicCache(config=causal.config)
    causal.model(
        input_ids=torch.tensor([list(ids)], device=device), past_key_values=cache, use_cache=True
    )
    layers = tuple((layer.keys, layer.values) for layer in cache.layers)
    return Prefix(len(ids), layers)
