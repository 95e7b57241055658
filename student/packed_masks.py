"""Who sees whom in a packed pass: one function of positions, as a block mask or a dense one.

A position sees those before it in its own row of examples: of the prompt, or of the same answer.
Padding is a row of its own.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention.flex_attention import create_block_mask, create_mask

from engine.layer_types import layer_types
from student.collator import Batch

_OF_ALL = -2  # document of a prefix, which every position sees

MaskFunction = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def packed_masks(config: Any, batch: Batch, prefix_length: int) -> Any:
    """One mask for all layers, or one for each of their types, as transformers takes them.

    On a graphics card block masks over the prefix and the batch. Elsewhere dense ones, [1, 1, T, T]
    bool, over the batch alone: attention to the prefix is apart there (engine/prefix_cache.py).
    """
    masks: dict[str, Any] = {}
    for kind in sorted(layer_types(config)):
        window = config.sliding_window if kind == "sliding_attention" else None
        width, device = batch.input_ids.shape[1], batch.input_ids.device
        if device.type == "cuda":
            sees, keys = packed_mask_function(batch, window, prefix_length), prefix_length + width
            masks[kind] = create_block_mask(sees, 1, None, width, keys, device, _compile=True)
        else:
            masks[kind] = create_mask(
                packed_mask_function(batch, window), 1, 1, width, width, device
            )
    return masks if len(masks) > 1 else masks.popitem()[1]


def packed_mask_function(batch: Batch, window: int | None, prefix_length: int = 0) -> MaskFunction:
    """Whether a query sees a key, in FlexAttention's terms; keys of a prefix come first.

    `window`: the number of positions that a layer sees, counted as each answer alone would; None:
    all. Behind a prefix there are no windows (`supports_prefix_cache`).
    """
    assert batch.documents is not None
    # [T] of 32 bits: the kernel reads them for every score of a block that is seen in part
    documents, segments, positions = (
        part[0].int() for part in (batch.documents, batch.segments, batch.positions)
    )
    key_documents = torch.cat([documents.new_full((prefix_length,), _OF_ALL), documents])
    key_segments = torch.cat([segments.new_zeros(prefix_length), segments])

    def sees(
        _row: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        same = documents[query] == key_documents[key]
        readable = (segments[query] == key_segments[key]) | (key_segments[key] == 0)
        own = same & readable & (query >= key - prefix_length)
        return own | (key_documents[key] == _OF_ALL)

    if window is None:
        return sees
    reach = window

    def sees_in_window(
        _row: torch.Tensor, _head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        near = positions[query] - positions[key] < reach
        return sees(_row, _head, query, key) & near

    return sees_in_window
