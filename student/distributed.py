"""What several processes that train one student share; alone, each of these does nothing.

Started by `torchrun` or `accelerate launch`; transformers sets the group up when its arguments are
made.
"""

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import distributed
from torch.distributed.tensor import DTensor

_T = TypeVar("_T")


def several() -> bool:
    """Whether this process is one of several."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """The number of this process; 0 writes the files."""
    return distributed.get_rank() if several() else 0


def wait() -> None:
    """Until all are here."""
    if several():
        distributed.barrier()


def share(items: list[_T]) -> list[_T]:
    """This process's part of what all have in hand: every n-th, so that like lengths are spread."""
    return items[rank() :: distributed.get_world_size()] if several() else items


def joined(parts: list[_T]) -> list[_T]:
    """The parts of all processes in the order of the items that were shared."""
    if not several():
        return parts
    world = distributed.get_world_size()
    found: list[list[_T]] = [[] for _ in range(world)]
    distributed.all_gather_object(found, parts)
    count = sum(map(len, found))
    return [found[place % world][place // world] for place in range(count)]


def total(value: torch.Tensor) -> torch.Tensor:
    """The sum over all processes."""
    if several():
        distributed.all_reduce(value)
    return value


def most(count: int) -> int:
    """The highest of all processes' counts."""
    if not several():
        return count
    counts = [0] * distributed.get_world_size()
    distributed.all_gather_object(counts, count)
    return max(counts)


def sum_gradients(weights: Iterable[torch.nn.Parameter]) -> None:
    """Every gradient becomes the sum over all processes, in one exchange per type and device.

    A process that had no row of a step has no gradients and adds nothing. DistributedDataParallel
    would exchange them in its own forward pass, which ours goes past. Weights in shares have
    theirs summed as they come.
    """
    if not several():
        return
    whole = (weight for weight in weights if not isinstance(weight, DTensor))
    trained = [weight for weight in whole if weight.requires_grad]
    for weight in trained:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    for kind in dict.fromkeys((weight.dtype, weight.device) for weight in trained):
        grads = [w.grad for w in trained if (w.dtype, w.device) == kind and w.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        start = 0
        for grad in grads:
            grad.copy_(flat[start : start + grad.numel()].view_as(grad))
            start += grad.numel()
