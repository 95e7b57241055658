"""The way from hidden states to losses without a full tensor of logits.

Answer positions are projected to the vocabulary a few at a time; their gradients are taken on the
spot, so that no logits are kept for the backward pass nor made a second time. The idea is that of
fused linear cross-entropy (Wijmans et al., Cut Your Losses, arXiv 2411.09009; Hsu et al., Liger
Kernel, arXiv 2410.10989), here for any loss of a token's logits.
"""

from collections.abc import Callable
from typing import Any

import torch

CHUNK = 64  # positions projected at a time: 37 MiB of float32 logits at 152k words

# logits [n, V] of some positions, and which of the N they are → losses [n]
LossOf = Callable[[torch.Tensor, slice], torch.Tensor]


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
