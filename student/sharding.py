"""A model whose every weight is trained, in shares: each process holds a part of all weights,
their gradients and the optimiser's numbers (FSDP2).

transformers reads such a model share by share and knows where to cut it; this file brings what it
leaves open: sums instead of means, checkpoints that can be resumed, and forward passes of a process
on its own, with the weights put together meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from student.distributed import rank, several

Model = Any

PROGRESS = "progress.pt"  # in a checkpoint


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
