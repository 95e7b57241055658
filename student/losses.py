"""Losses as pure functions of logits and targets, unreduced, in float32 and in nats.

Which positions count was settled before (`batches.collate`); averaging happens after, over all
answer tokens of the optimiser step. A distribution is given by its logarithms, over the vocabulary
or over K kept tokens and one bucket for all the rest.
"""

from typing import assert_never

import torch

from config.objectives import Direction

_LEAST = -30.0  # log of what an empty bucket is taken to hold: nothing that could be seen


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−log p(target). logits: [N, V] of any float type; targets: [N] → [N]."""
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")


def divergence(teacher: torch.Tensor, student: torch.Tensor, direction: Direction) -> torch.Tensor:
    """Divergence of two distributions, given by their logarithms. [..., S], [..., S] → [...].

    forward: KL(teacher ‖ student); reverse: KL(student ‖ teacher); jsd: the mean of both against
    their mixture (Lin 1991). Zero where they are equal, and only there.
    """
    match direction:
        case "forward":
            return _kl(teacher, student)
        case "reverse":
            return _kl(student, teacher)
        case "jsd":
            mixture = torch.logaddexp(teacher, student) - torch.log(torch.tensor(2.0))
            return (_kl(teacher, mixture) + _kl(student, mixture)) / 2
        case other:
            assert_never(other)


def _kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return (p.exp() * (p - q)).sum(-1)


def flattened(logs: torch.Tensor, temperature: float) -> torch.Tensor:
    """The distribution with its logarithms divided by a temperature. [..., S] → [..., S]."""
    return torch.log_softmax(logs.float() / temperature, -1)


def text_and_kept(
    logits: torch.Tensor, targets: torch.Tensor, ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """−log p(target) [N], and the logarithms of a distribution over K tokens and the rest [N, K+1].

    logits: [N, V]; targets: [N]; ids: [N, K]. Both from one pass over the vocabulary: what the K
    and the rest sum up to is what all tokens do. The rest is summed over the other tokens
    themselves, not taken as 1 − Σ: at a mass of 1e-7 that difference is noise.
    """
    logits = logits.float()
    seen = logits.gather(-1, torch.cat([ids, targets[:, None]], -1))  # [N, K+1]
    others = logits.scatter(-1, ids, float("-inf"))  # [N, V]
    buckets = torch.cat([seen[:, :-1], others.logsumexp(-1, keepdim=True)], -1)  # [N, K+1]
    kept = torch.log_softmax(buckets, -1).clamp_min(_LEAST)
    return buckets.logsumexp(-1) - seen[:, -1], kept


def stored_and_rest(logprobs: torch.Tensor) -> torch.Tensor:
    """A stored distribution over K tokens and the rest. [N, K] → [N, K+1], logarithms.

    The rest is what the K lack of 1; stored as float16 they may exceed it by a rounding, and then
    nothing is left.
    """
    left = (1.0 - logprobs.double().exp().sum(-1, keepdim=True)).clamp_min(1e-12).log()
    return torch.log_softmax(torch.cat([logprobs.double(), left], -1), -1).float()
