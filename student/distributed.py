"""What several processes that train one student share; alone, each of these does nothing.

Started by `torchrun` or `accelerate launch`; transformers sets the group up when its arguments are
made.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor

from engine.models import load_base

_T = TypeVar("_T")
Model = Any

PROGRESS = "progress.pt"  # in a checkpoint


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


def load_shared(resolved: str) -> Model:
    """The base in float32, in shares where there are several processes; whole where there is one.

    Gradients are summed over the processes: a loss is divided by the tokens of all of them.
    """
    if not several():
        return load_base(resolved, dtype=torch.float32)
    from transformers.distributed import DistributedConfig

    shares = DistributedConfig(fsdp_size=distributed.get_world_size())
    model = load_base(resolved, dtype=torch.float32, distributed_config=shares)
    for part in _parts(model):
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
    return model


def in_shares(model: Model) -> bool:
    """Whether each process holds a part of every weight."""
    return isinstance(model, FSDPModule)


def _parts(model: Model) -> list[Any]:
    """The modules that are put together and taken apart as one; none of a model that is whole."""
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


@contextmanager
def put_together(model: Model) -> Iterator[None]:
    """All weights in every process: each may then read as many batches as it likes."""
    cut = _parts(model)
    layers = set(model.model.layers) if cut else set()
    for part in cut:
        part.unshard()
        part.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for part in cut:  # embeddings, last norm and head stay together until the backward pass
            part.set_reshard_after_forward(part in layers, recurse=False)
            part.reshard()


def whole(weight: torch.Tensor) -> torch.Tensor:
    """A weight as one tensor. Where it is in shares, all processes must ask for it."""
    full: torch.Tensor = weight.full_tensor() if isinstance(weight, DTensor) else weight
    return full


def put(weight: torch.Tensor, value: torch.Tensor) -> None:
    """Puts a value into a weight, or the part of it that this process holds."""
    if isinstance(weight, DTensor):
        value = distribute_tensor(
            value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None
        )
    weight.copy_(value)


def save_progress(model: Model, optimiser: Any, schedule: Any, folder: Path) -> None:
    """The optimiser's numbers for all weights, in one file, and the schedule's place; all processes
    must call this."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_optimizer_state_dict(model, optimiser.optimizer, options=options)
    if rank() == 0:
        torch.save({"optimiser": state, "schedule": schedule.state_dict()}, folder / PROGRESS)


def load_progress(model: Model, optimiser: Any, schedule: Any, folder: Path) -> None:
    """Likewise, into this process's part. The processes may be more or fewer than they were."""
    found = torch.load(folder / PROGRESS, map_location="cpu", weights_only=True)
    options = StateDictOptions(full_state_dict=True)
    state = found["optimiser"]
    set_optimizer_state_dict(model, optimiser.optimizer, state, options=options)
    schedule.load_state_dict(found["schedule"])
