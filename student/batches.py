"""From selected answers to padded batches, and the one place that says which positions are learnt.

Letters of shapes, used throughout this room: B rows, T positions, N answer tokens of a batch,
V vocabulary, D width of the hidden states.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from data.rows import Row
from engine.asking import Asking, View

IGNORE = -100  # the label of a position that is not learnt, as transformers has it


class Example(NamedTuple):
    """A row in one view, and the answer to learn: the same ids behind either view."""

    prompt_ids: tuple[int, ...]
    answer_ids: tuple[int, ...]  # ends with the token that ends the turn

    @property
    def features(self) -> dict[str, list[int]]:
        """`input_ids` and `labels` of equal length; labels are IGNORE over the prompt."""
        return {
            "input_ids": [*self.prompt_ids, *self.answer_ids],
            "labels": [IGNORE] * len(self.prompt_ids) + list(self.answer_ids),
        }


class Answers(NamedTuple):
    """The learnt tokens of a batch, and the positions whose hidden states predict them."""

    positions: torch.Tensor  # [B, T-1] bool: position t predicts token t+1 of the answer
    targets: torch.Tensor  # [N] token ids, row by row


def encode(asking: Asking, row: Row, answer: str, prompted: bool = False) -> Example:
    """A row and its answer in one view, with the passages that every view of it shows."""
    prompt_ids = asking.view_ids(row, View(prompted=prompted))
    return Example(prompt_ids, asking.renderer.answer_ids(answer))


def collate(features: Sequence[dict[str, list[int]]], pad: int) -> dict[str, torch.Tensor]:
    """Right-padded `input_ids`, `attention_mask` and `labels`, each [B, T]."""
    width = max(len(feature["input_ids"]) for feature in features)

    def padded(key: str, filler: int) -> torch.Tensor:
        rows = [[*feature[key], *[filler] * (width - len(feature[key]))] for feature in features]
        return torch.tensor(rows)  # [B, T]

    lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
    return {
        "input_ids": padded("input_ids", pad),
        "attention_mask": (torch.arange(width)[None] < lengths[:, None]).long(),
        "labels": padded("labels", IGNORE),
    }


def answers_of(labels: torch.Tensor) -> Answers:
    """Which positions predict an answer token, and that token. labels: [B, T]."""
    shifted = labels[:, 1:]  # [B, T-1]: the logits at t predict the token at t+1
    positions = shifted != IGNORE
    return Answers(positions, shifted[positions])
