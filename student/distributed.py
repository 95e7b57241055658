"""Training in several processes: collectives, and full fine-tuning with FSDP2.

The processes are started by `torchrun` or `accelerate launch`; transformers sets the group up when
its arguments are made. In a single process every function here leaves its input as it is.

With FSDP2 each process holds a shard of all weights, gradients and optimiser states. transformers
loads the shards and decides what is sharded together. This module adds sums in place of means,
resumable checkpoints, and forward passes of one process alone on unsharded weights.
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

SHARDED_OPTIMIZER = "sharded_optimizer.pt"  # file in a checkpoint


def is_distributed() -> bool:
    """Whether this process is one of several."""
    # vLLM makes a group of one where it answers beside a training
    in_group = distributed.is_available() and distributed.is_initialized()
    return in_group and distributed.get_world_size() > 1


def process_rank() -> int:
    """The number of this process; process 0 writes the files."""
    return distributed.get_rank() if is_distributed() else 0


def barrier() -> None:
    """Waits until every process is here."""
    if is_distributed():
        distributed.barrier()


def shard_for_rank(items: list[_T]) -> list[_T]:
    """This process's part of a list: every n-th item, so that similar lengths are spread."""
    return items[process_rank() :: distributed.get_world_size()] if is_distributed() else items


def all_gather(value: _T) -> list[_T]:
    """The values of all processes."""
    if not is_distributed():
        return [value]
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return values


def gather_shards(shard: list[_T]) -> list[_T]:
    """The items of all processes, in the order before `shard_for_rank`."""
    shards = all_gather(shard)
    count = sum(map(len, shards))
    return [shards[index % len(shards)][index // len(shards)] for index in range(count)]


def all_reduce_sum(value: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, in place."""
    if is_distributed():
        distributed.all_reduce(value)
    return value


def all_reduce_gradients(weights: Iterable[torch.nn.Parameter]) -> None:
    """Sums every gradient over all processes, in one exchange per dtype and device.

    A process without rows in a step contributes zeros. DistributedDataParallel would exchange
    gradients in its own forward pass, which this project bypasses. FSDP2 reduces the gradients of
    sharded weights itself.
    """
    if not is_distributed():
        return
    trained = [w for w in weights if w.requires_grad and not isinstance(w, DTensor)]
    for weight in trained:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    for group in dict.fromkeys((weight.dtype, weight.device) for weight in trained):
        grads = [w.grad for w in trained if (w.dtype, w.device) == group and w.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        start = 0
        for grad in grads:
            grad.copy_(flat[start : start + grad.numel()].view_as(grad))
            start += grad.numel()


# -- FSDP2 ---------------------------------------------------------------------------------------


def load_sharded(resolved: str) -> Any:
    """The base in float32: sharded over several processes, or whole in a single one.

    Gradients are summed over the processes: a loss is divided by the tokens of all of them.
    """
    if not is_distributed():
        return load_base(resolved, dtype=torch.float32)
    from transformers.distributed import DistributedConfig

    sharding = DistributedConfig(fsdp_size=distributed.get_world_size())
    model = load_base(resolved, dtype=torch.float32, distributed_config=sharding)
    for module in _sharded_modules(model):
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
    return model


def is_sharded(model: Any) -> bool:
    """Whether each process holds a shard of every weight."""
    return isinstance(model, FSDPModule)


def _sharded_modules(model: Any) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


@contextmanager
def unsharded(model: Any) -> Iterator[None]:
    """All weights in every process, so that each may run its own number of forward passes."""
    modules = _sharded_modules(model)
    layers = set(model.model.layers) if modules else set()
    for module in modules:
        module.unshard()
        module.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for module in modules:  # embeddings, last norm and head stay unsharded until the backward
            module.set_reshard_after_forward(module in layers, recurse=False)
            module.reshard()


def gather_weight(weight: torch.Tensor) -> torch.Tensor:
    """The whole weight. Every process must call this for a sharded one."""
    full: torch.Tensor = weight.full_tensor() if isinstance(weight, DTensor) else weight
    return full


def assign_weight(weight: torch.Tensor, value: torch.Tensor) -> None:
    """Copies a whole value into a weight, or its local part into this process's shard."""
    if isinstance(weight, DTensor):
        value = distribute_tensor(
            value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None
        )
    weight.copy_(value)


def save_sharded_optimizer(model: Any, optimizer: Any, scheduler: Any, folder: Path) -> None:
    """Writes the optimiser state of all shards and the schedule into one file.

    Every process must call this.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_optimizer_state_dict(model, optimizer.optimizer, options=options)
    if process_rank() == 0:
        progress = {"optimizer": state, "scheduler": scheduler.state_dict()}
        torch.save(progress, folder / SHARDED_OPTIMIZER)


def load_sharded_optimizer(model: Any, optimizer: Any, scheduler: Any, folder: Path) -> None:
    """Loads this process's shard. The number of processes may differ from when it was saved."""
    progress = torch.load(folder / SHARDED_OPTIMIZER, map_location="cpu", weights_only=True)
    options = StateDictOptions(full_state_dict=True)
    set_optimizer_state_dict(model, optimizer.optimizer, progress["optimizer"], options=options)
    scheduler.load_state_dict(progress["scheduler"])
