"""Losses as pure functions of logits and targets: unreduced, in float32, in nats.

`collator` decides which positions count; the trainer averages over all answer tokens of the
optimiser step. Distributions are given as log-probabilities, over the vocabulary or over K stored
tokens and one bucket for the rest. `summed_loss` projects hidden states to the vocabulary in chunks
and never holds all logits.
"""

import math
from collections.abc import Callable
from typing import Any, assert_never

import torch

from config.training import Direction
from student.head import Head

LOGIT_CHUNK = 64  # positions projected at a time: 37 MiB of float32 logits at V = 152k

# logits [n, V] of some positions, and their slice of the N positions → losses [n]
LossFunction = Callable[[torch.Tensor, slice], torch.Tensor]

_MIN_LOGPROB = -30.0  # stands for log 0 of an empty bucket


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """−log p(target). logits: [N, V] of any float type; targets: [N] → [N]."""
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")


def divergence(teacher: torch.Tensor, student: torch.Tensor, direction: Direction) -> torch.Tensor:
    """Divergence of two distributions of log-probabilities. [..., S], [..., S] → [...].

    forward: KL(teacher ‖ student); reverse: KL(student ‖ teacher); jsd: the mean of both against
    their mixture (Lin 1991). Zero if and only if they are equal.
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


def tempered_logprobs(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Log-softmax of logits divided by a temperature. [..., S] → [..., S]."""
    return torch.log_softmax(logits.float() / temperature, -1)


def nll_and_buckets(
    logits: torch.Tensor, targets: torch.Tensor, ids: torch.Tensor, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """−log p(target) [N], and the log-probabilities of K tokens and the rest [N, K+1].

    logits: [N, V]; targets: [N]; ids: [N, K]. The temperature is that of the K+1 alone. The rest is
    summed over its own tokens; 1 − Σ would be rounding noise at a mass of 1e-7.
    """
    logits = logits.float()
    picked = logits.gather(-1, torch.cat([ids, targets[:, None]], -1))  # [N, K+1]
    others = logits.scatter(-1, ids, float("-inf"))  # [N, V]
    buckets = torch.cat([picked[:, :-1], others.logsumexp(-1, keepdim=True)], -1)  # [N, K+1]
    nll = buckets.logsumexp(-1) - picked[:, -1]
    if temperature != 1.0:
        rest = (others / temperature).logsumexp(-1, keepdim=True)
        buckets = torch.cat([picked[:, :-1] / temperature, rest], -1)
    return nll, torch.log_softmax(buckets, -1).clamp_min(_MIN_LOGPROB)


def stored_buckets(
    logprobs: torch.Tensor, vocabulary: int, temperature: float = 1.0
) -> torch.Tensor:
    """Adds the bucket of the rest to stored log-probabilities, at a temperature. [N, K] → [N, K+1].

    The rest r = 1 − Σ p stands for V − K tokens, of which only the sum is known: each is taken to
    have r / (V − K). At temperature T a probability p weighs p^(1/T), so the bucket weighs
    (V − K) · (r / (V − K))^(1/T): r at T = 1, nothing as K → V. At T > 1 no other spread weighs
    more.

    Rounded to float16 the K may sum to more than 1; the rest is then taken as empty.
    """
    rest = (1.0 - logprobs.double().exp().sum(-1, keepdim=True)).clamp_min(1e-12).log()
    tokens = vocabulary - logprobs.shape[-1]
    spread = (1 - 1 / temperature) * math.log(tokens) if tokens else float("-inf")
    weights = torch.cat([logprobs.double() / temperature, rest / temperature + spread], -1)
    return torch.log_softmax(weights, -1).float().clamp_min(_MIN_LOGPROB)


def summed_loss(
    hidden: torch.Tensor, head: Head, loss_function: LossFunction, chunk: int = LOGIT_CHUNK
) -> torch.Tensor:
    """Sum of the losses over all positions, a scalar. hidden: [N, D].

    Gradients flow to `hidden`, and to the head's weights where they are trained. Each chunk's
    gradient is computed in the forward pass, so no logits are kept or recomputed, as in fused
    linear cross-entropy (Wijmans et al., Cut Your Losses, arXiv 2411.09009; Hsu et al., Liger
    Kernel, arXiv 2410.10989), here for any head and any loss of a token's logits.
    """
    total: torch.Tensor = _SummedLoss.apply(  # type: ignore[no-untyped-call]
        hidden, head, loss_function, chunk, *head.weights
    )
    return total


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        head: Head,
        loss_function: LossFunction,
        chunk: int,
        *weights: torch.Tensor,
    ) -> torch.Tensor:
        for_hidden = ctx.needs_input_grad[0]
        trained = [leaf for leaf in head.leaves if leaf.requires_grad]
        hidden_grad = torch.empty_like(hidden) if for_hidden else None
        weight_grads = [torch.zeros_like(leaf, dtype=torch.float32) for leaf in trained]
        total = torch.zeros((), device=hidden.device)
        for start in range(0, len(hidden), chunk):
            part = slice(start, min(start + chunk, len(hidden)))
            with torch.set_grad_enabled(for_hidden or bool(trained)):
                states = hidden[part].detach().requires_grad_(for_hidden)
                loss = loss_function(head(states), part).sum()
            total += loss.detach()
            inputs = [states] * for_hidden + trained
            grads = list(torch.autograd.grad(loss, inputs)) if inputs else []
            if hidden_grad is not None:
                hidden_grad[part] = grads.pop(0)
            for summed, grad in zip(weight_grads, grads, strict=True):
                summed += grad
        ctx.save_for_backward(hidden_grad, *weight_grads)
        ctx.weight_dtypes = [
            w.dtype if leaf.requires_grad else None
            for w, leaf in zip(weights, head.leaves, strict=True)
        ]
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[Any, ...]:
        (scale,) = upstream
        hidden_grad, *weight_grads = ctx.saved_tensors
        summed = iter(weight_grads)
        return (
            None if hidden_grad is None else hidden_grad * scale,
            None,
            None,
            None,
            *(dtype and (next(summed) * scale).to(dtype) for dtype in ctx.weight_dtypes),
        )
