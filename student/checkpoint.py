"""What a training leaves: its parameters as they are, and the files that are served.

Both are the same for every method, so the trainer's checkpoints need not know which one it is.
"""

import copy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from config.errors import DataError
from data.atomic_write import write_error
from engine.models import file_sha256
from student.distributed import put, rank, whole
from student.model import Model, trainable

TRAINED = "trained.safetensors"  # in a checkpoint: every trained parameter in its own type


@contextmanager
def writing(folder: Path, size: int) -> Iterator[None]:
    """Raises DataError with path and size where torch, safetensors or peft find the disk full."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        raise write_error(folder, size, error) from error


def save_trained(model: Model, folder: Path) -> None:
    """Writes the trained parameters into `folder`, to go on from; the first process does.

    Where weights are in shares, all processes must call this.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {name: whole(one.detach()) for name, one in trainable(model).items()}
    if rank() > 0:
        return
    state = {name: one.cpu().contiguous() for name, one in found.items()}
    with writing(folder / TRAINED, size_of(model)):
        save_file(state, folder / TRAINED, metadata={"format": "pt"})


def size_of(model: Model) -> int:
    """Bytes of what is trained."""
    return sum(one.nbytes for one in trainable(model).values())


@torch.no_grad()
def load_trained(model: Model, folder: Path) -> None:
    """Puts them into a student made by `load_student` with the same method and base.

    Raises DataError when the file holds the parameters of another method.
    """
    path = folder / TRAINED
    state, own = load_file(path), trainable(model)
    shapes = [{name: one.shape for name, one in side.items()} for side in (state, own)]
    if shapes[0] != shapes[1]:
        raise DataError(f"{path}: not what this method trains; remove {folder} to train it again")
    for name, one in own.items():
        put(one, state[name])


def save_student(model: Model, folder: Path) -> str:
    """Replaces `folder` by what is served, safetensors and config; returns the weights' sha256.

    An adapter as peft reads it, on the untouched base; or, where every weight was trained, a model
    in bfloat16.
    """
    from peft import PeftModel

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save = _save_adapter if isinstance(model, PeftModel) else _save_model
    with writing(folder, size_of(model)):
        return file_sha256(save(model, folder))


def _save_adapter(model: Any, folder: Path) -> Path:
    from peft import get_peft_model_state_dict

    config = copy.copy(model.active_peft_config)
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    config.inference_mode = True
    if hasattr(config, "init_lora_weights"):
        config.init_lora_weights = True  # pissa and olora would take their part out of the base
    if initial := getattr(model, "initial", None):
        config.r *= 2
        config.lora_alpha *= 2**0.5 if config.use_rslora else 2
        state = {name: _less(name, tensor, initial) for name, tensor in state.items()}
    path = folder / "adapter_model.safetensors"
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(tensors, path, metadata={"format": "pt"})
    config.save_pretrained(folder)
    return path


def _less(name: str, factor: torch.Tensor, initial: dict[str, torch.Tensor]) -> torch.Tensor:
    """A factor of B·A − B₀·A₀ = [B, −B₀]·[A; A₀]: what was learnt, without what the base lost."""
    start = initial.get(name.replace(".weight", ".default.weight"))
    if start is None:
        return factor
    if ".lora_A." in name:
        return torch.cat([factor, start.to(factor.device)])
    return torch.cat([factor, -start.to(factor.device)], 1)


def _save_model(model: Any, folder: Path) -> Path:
    halves: dict[int, torch.Tensor] = {}  # by place in memory: what was tied stays tied
    state = {
        name: halves.setdefault(tensor.data_ptr(), tensor.to(torch.bfloat16))
        for name, tensor in model.state_dict().items()
    }
    model.save_pretrained(folder, state_dict=state, max_shard_size="1TB")  # one file: one hash
    config = copy.deepcopy(model.config)
    config.dtype = torch.bfloat16  # servers read it; save_pretrained notes the type in training
    config.save_pretrained(folder)
    return folder / "model.safetensors"
