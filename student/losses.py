"""Losses as pure functions of logits and targets, unreduced, in float32 and in nats.

Which positions count was settled before (`batches.collate`); averaging happens after, over all
answer tokens of the optimiser step. A distribution is given by its logarithms, over the vocabulary
or over K kept tokens and one bucket for all the rest.
"""

from collections.abc import Callable
from typing import Any, assert_never

import torch

from config.objectives import Direction

CHUNK = 64  # positions projected at a time: 37 MiB of float32 logits at 152k words

# logits [n, V] of some positions, and which of the N they are → losses [n]
LossOf = Callable[[torch.Tensor, slice], torch.Tensor]
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


def summed_loss(
    hidden: torch.Tensor, weight: torch.Tensor, loss_of: LossOf, chunk: int = CHUNK
) -> torch.Tensor:
    """Σ of the losses over all positions, a scalar. hidden: [N, D]; weight of the head: [V, D].

    Gradients flow to `hidden`, and to `weight` where it is trained.
    """
    total: torch.Tensor = _Summed.apply(  # type: ignore[no-untyped-call]
        hidden, weight, loss_of, chunk
    )
    return total


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, loss_of: LossOf, chunk: int
    ) -> torch.Tensor:
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1]]
        of_hidden = torch.empty_like(hidden) if wanted[0] else None
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        total = torch.zeros((), device=hidden.device)
        for start in range(0, len(hidden), chunk):
            part = slice(start, min(start + chunk, len(hidden)))
            with torch.set_grad_enabled(any(wanted)):
                states = hidden[part].detach().requires_grad_(wanted[0])
                head = weight.detach().requires_grad_(wanted[1])
                loss = loss_of(torch.nn.functional.linear(states, head), part).sum()
            total += loss.detach()
            sources = [one for one, want in ((states, wanted[0]), (head, wanted[1])) if want]
            grads = list(torch.autograd.grad(loss, sources)) if sources else []
            if of_hidden is not None:
                of_hidden[part] = grads.pop(0)
            if of_weight is not None:
                of_weight += grads.pop(0)
        ctx.save_for_backward(of_hidden, of_weight)
        ctx.weight_type = weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[Any, ...]:
        (scale,) = upstream
        of_hidden, of_weight = ctx.saved_tensors
        return (
            None if of_hidden is None else of_hidden * scale,
            None if of_weight is None else (of_weight * scale).to(ctx.weight_type),
            None,
            None,
        )
