"""Attention to a prefix that all rows share, by itself."""

import pytest
import torch

from engine.prefix_cache import attend_concatenated, attend_merged


@pytest.mark.parametrize("masked", [False, True])
def test_two_joined_softmaxes_are_one(masked: bool) -> None:
    """On a CPU the prefix is attended to apart, elsewhere as a copy: float32 leaves 1e-6 between.

    Four heads share two of the keys'; the prefix weighs much in some rows, nothing in others.
    """
    generator = torch.Generator().manual_seed(0)

    def states(rows: int, heads: int, count: int) -> torch.Tensor:
        return torch.randn(rows, heads, count, 8, generator=generator)

    query, key, value = states(3, 4, 5) * 4, states(3, 2, 5), states(3, 2, 5)
    prefix = states(1, 2, 7), states(1, 2, 7)
    mask = torch.ones(3, 1, 5, 5, dtype=torch.bool).tril() if masked else None
    if mask is not None:
        mask[:, :, 4, 2:4] = False  # another answer's
    merged = attend_merged(query, key, value, prefix, mask, 0.5)
    concatenated = attend_concatenated(query, key, value, prefix, mask, 0.5)
    assert torch.allclose(merged, concatenated, atol=1e-6)
    alone = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=not masked, scale=0.5, enable_gqa=True
    )
    assert (merged - alone).abs().max() > 0.1, "the prefix is seen"
