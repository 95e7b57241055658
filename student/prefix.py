"""The system prompt read once: keys and values of a frozen model's constant beginning.

The teacher's view of every row starts with the same tokens, and with the adapter off the model
that reads them never changes: what it computes for them is kept for the whole run.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import CacheLayerMixin


class Prefix(NamedTuple):
    """Keys and values of the first P tokens by layer, each [1, heads, P, width of a head]."""

    length: int
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def cache(self) -> Cache:
        """As a model takes it, for any number of rows."""
        return Cache(layers=[_Constant(keys, values) for keys, values in self.layers])


class _Constant(CacheLayerMixin):  # type: ignore[misc]
    """Puts the prefix before what a layer computes, and keeps nothing."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        self.keys, self.values = keys, values
        self.is_initialized = True

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """There from the beginning."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *rest: Any, **more: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Prefix and new states, side by side."""
        rows = key_states.shape[0]
        keys = torch.cat([self.keys.expand(rows, -1, -1, -1), key_states], -2)
        return keys, torch.cat([self.values.expand(rows, -1, -1, -1), value_states], -2)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Keys that queries may see, and where they begin."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens of the prefix."""
        assert self.keys is not None
        return self.keys.shape[-2]

    def get_max_length(self) -> int:
        """No limit."""
        return -1


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
