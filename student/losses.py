"""Losses as pure functions of logits and targets, unreduced, in float32.

Masking has happened before (`batches.answers_of`); averaging happens after, over all answer tokens
of the optimiser step.
"""

import torch


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−log p(target). logits: [N, V] of any float type; targets: [N] → [N] float32, in nats."""
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
