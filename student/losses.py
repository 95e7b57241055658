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
from torch.autograd.function import once_differentiable

from config.training import Direction
from student.head import Head
from student.memory_plan import LOSS_BYTES

LOGIT_CHUNK = 64  # positions projected at a time: 37 MiB of float32 logits at V = 152k
# On a graphics card so few rows would read a head of 778 MB again and again. There a chunk takes as
# many as fit LOSS_BYTES: its logits, and what a loss makes of them at its peak (measured by
# tests/student/test_loss_memory.py, logits in 16 bits).
_TEXT_BYTES = 14  # per logit: cross-entropy, and K stored tokens with the rest
_DISTRIBUTION_BYTES = 36  # per logit: the divergence of two whole distributions, at most

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

    logits: [N, V]; targets: [N]; ids: [N, K], distinct. The temperature is that of the K+1 alone.
    The rest is summed over its own tokens; 1 − Σ would be rounding noise at a mass of 1e-7.
    """
    nll, buckets = _NllAndBuckets.apply(  # type: ignore[no-untyped-call]
        logits, targets, ids, temperature
    )
    return nll, buckets


class _NllAndBuckets(torch.autograd.Function):
    """Autograd would keep and walk six tensors [N, V]; by hand it is one, written once.

    With z the logits, q = softmax(z / T), Q the mass of the rest, p = softmax(z), and the gradients
    g [K+1] of the buckets' log-probabilities, whose sum is G:

        token k of the K  (g_k − G q_k) / T
        token i of the rest  q_i (g_rest / Q − G) / T

    and, of −log p(target) with gradient h: h (p − 1 at the target).
    """

    @staticmethod
    def forward(
        ctx: Any, logits: torch.Tensor, targets: torch.Tensor, ids: torch.Tensor, temperature: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32), copy=True)
        picked = wide.gather(-1, torch.cat([ids, targets[:, None]], -1))  # [N, K+1]
        stored, target = picked[:, :-1], picked[:, -1]
        others = wide.scatter_(-1, ids, float("-inf"))  # [N, V]
        buckets = torch.cat([stored, others.logsumexp(-1, keepdim=True)], -1)  # [N, K+1]
        total = buckets.logsumexp(-1)
        tempered, tempered_total = buckets, total
        if temperature != 1.0:
            rest = (others / temperature).logsumexp(-1, keepdim=True)
            tempered = torch.cat([stored / temperature, rest], -1)
            tempered_total = tempered.logsumexp(-1)
        logprobs = torch.log_softmax(tempered, -1)
        ctx.save_for_backward(others, targets, ids, stored, logprobs, total, tempered_total)
        ctx.temperature, ctx.dtype = temperature, logits.dtype
        return total - target, logprobs.clamp_min(_MIN_LOGPROB)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, nll_grad: torch.Tensor, bucket_grad: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None]:
        others, targets, ids, stored, logprobs, total, tempered_total = ctx.saved_tensors
        temperature: float = ctx.temperature
        slopes = bucket_grad.masked_fill(logprobs < _MIN_LOGPROB, 0) / temperature  # [N, K+1]
        summed = slopes.sum(-1, keepdim=True)
        rest_mass = logprobs[:, -1:].clamp_min(_MIN_LOGPROB).exp()
        spread = slopes[:, -1:] / rest_mass - summed  # times q, the gradient in the rest
        nll_grad = nll_grad[:, None]
        stored_grad = slopes[:, :-1] - summed * logprobs[:, :-1].exp()
        stored_grad = stored_grad + nll_grad * (stored - total[:, None]).exp()
        if temperature == 1.0:
            grad = (others - total[:, None]).exp_().mul_(spread + nll_grad)  # [N, V]
        else:
            grad = (others / temperature).sub_(tempered_total[:, None]).exp_().mul_(spread)
            grad += (others - total[:, None]).exp_().mul_(nll_grad)
        grad.scatter_(-1, ids, stored_grad)
        grad.scatter_add_(-1, targets[:, None], -nll_grad)
        return grad.to(ctx.dtype), None, None, None


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


def chunk_positions(device: torch.device, vocabulary: int, whole_distributions: bool) -> int:
    """How many positions `summed_loss` projects at a time.

    `whole_distributions`: the loss compares the teacher's and the student's over all V tokens.
    """
    if device.type != "cuda":
        return LOGIT_CHUNK
    logit_bytes = _DISTRIBUTION_BYTES if whole_distributions else _TEXT_BYTES
    return max(LOGIT_CHUNK, LOSS_BYTES // (logit_bytes * vocabulary))


def summed_loss(
    hidden: torch.Tensor, head: Head, loss_function: LossFunction, chunk: int = LOGIT_CHUNK
) -> torch.Tensor:
    """Sum of the losses over all positions, a scalar. hidden: [N, D].

    Gradients flow to `hidden`, and to the head's weights where they are trained. Each chunk's
    gradient is computed in the forward pass, so no logits are stored or recomputed, as in fused
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
