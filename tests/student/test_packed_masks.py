"""Masks of packed passes: by hand, as those of padded rows, and as FlexAttention reads them."""

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask, create_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from student.collator import Batch, collate
from student.forward import VirtualPrefix, _mask
from student.packed_masks import packed_mask_function
from tests.student.test_packed_passes import FOUR
from tests.student.tiny_model import ROWS, row


def dense(batch: Batch, window: int | None = None, prefix_length: int = 0) -> torch.Tensor:
    """[T, P + T] bool."""
    width = batch.input_ids.shape[1]
    sees = packed_mask_function(batch, window, prefix_length)
    mask: torch.Tensor = create_mask(sees, 1, 1, width, prefix_length + width, "cpu")[0, 0]
    return mask


def test_by_hand() -> None:
    """Prompt 5 6 with answers 7 (8) and 9 (2), then prompt 3 with 4 (2), then two of padding. The
    last token of an answer has no position."""
    batch = collate([row((5, 6), (7, 8), (9, 2)), row((3,), (4, 2))], packed_width=8)
    assert batch.input_ids.tolist() == [[5, 6, 7, 9, 3, 4, 0, 0]]
    assert batch.positions.tolist() == [[0, 1, 2, 2, 0, 1, 0, 0]]
    assert batch.logit_positions.tolist() == [1, 2, 1, 3, 4, 5]
    assert dense(batch).int().tolist() == [
        [1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1, 1],
    ]
    assert dense(batch, window=2)[2:4].int().tolist() == [
        [0, 1, 1, 0, 0, 0, 0, 0],
        [0, 1, 0, 1, 0, 0, 0, 0],  # beside the prompt's end, as if the answer stood there alone
    ]


def test_a_prefix_is_seen_by_all() -> None:
    """Its keys come first; nothing else changes."""
    batch = collate([*ROWS, FOUR], packed_width=40)
    mask = dense(batch, prefix_length=5)
    assert mask[:, :5].all()
    assert torch.equal(mask[:, 5:], dense(batch))


@pytest.mark.parametrize("window", [None, 4])
def test_it_is_the_mask_of_padded_rows(window: int | None) -> None:
    """Row by row the part of a packed row is the mask of that row, and nobody sees another row."""
    rows = [*ROWS, FOUR]
    padded, distance = _mask(collate(rows), VirtualPrefix(None, None, 0))
    if window is not None:
        padded = padded & (distance < window)[:, None]
    expected: torch.Tensor = torch.block_diag(  # type: ignore[no-untyped-call]
        *(mask[0, : one.length, : one.length] for mask, one in zip(padded, rows, strict=True))
    )
    packed = dense(collate(rows, packed_width=40), window)
    count = len(expected)
    assert torch.equal(packed[:count, :count], expected.bool())
    assert not packed[:count, count:].any() and not packed[count:, :count].any()


@pytest.mark.parametrize(("window", "prefix_length"), [(None, 0), (3, 0), (None, 130)])
def test_flex_attention_reads_the_blocks(window: int | None, prefix_length: int) -> None:
    """Over several blocks of 128: the blocks' dense form and the attention = the dense mask's."""
    rows = [row(range(3, 3 + 20 * n), (5, 2), range(3, 40)) for n in range(1, 5)]
    batch = collate(rows, packed_width=420)
    sees = packed_mask_function(batch, window, prefix_length)
    blocks = create_block_mask(sees, 1, None, 420, prefix_length + 420, "cpu")
    mask = dense(batch, window, prefix_length)
    assert not blocks.to_dense().all(), "some block is skipped"
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(1, 6, 420, 16, generator=generator)
    key, value = torch.randn(2, 1, 2, prefix_length + 420, 16, generator=generator)
    actual = flex_attention(query, key, value, block_mask=blocks, scale=0.5, enable_gqa=True)
    expected = scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.5, enable_gqa=True
    )
    assert torch.allclose(actual, expected, atol=1e-5)
