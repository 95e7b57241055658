"""The files of a training: its trained parameters, to resume from, and the weights to serve.

Both formats are the same for every method.
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
from data.file_mode import give_usual_mode
from engine.hub_snapshot import hub_commit
from engine.models import TorchModel, file_sha256
from student.distributed import assign_weight, gather_weight, process_rank
from student.model import trainable

# in a checkpoint: every trained parameter in its own dtype, to resume from, and their average
TRAINED, AVERAGED = "trained.safetensors", "averaged.safetensors"


@contextmanager
def writing(folder: Path, size: int) -> Iterator[None]:
    """Raises DataError with path and size when torch, safetensors or peft find the disk full."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        raise write_error(folder, size, error) from error


def save_trained(model: TorchModel, folder: Path, name: str = TRAINED) -> None:
    """Process 0 writes the trained parameters into a file of `folder`.

    Every process must call this where weights are sharded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: gather_weight(w.detach()) for name, w in trainable(model).items()}
    if process_rank() > 0:
        return
    tensors = {name: weight.cpu().contiguous() for name, weight in weights.items()}
    with writing(folder / TRAINED, trained_bytes(model)):
        save_file(tensors, folder / name, metadata={"format": "pt"})
        give_usual_mode(folder)


def trained_bytes(model: TorchModel) -> int:
    """Size of the trained parameters in bytes."""
    return sum(weight.nbytes for weight in trainable(model).values())


@torch.no_grad()
def load_trained(model: TorchModel, folder: Path, name: str = TRAINED) -> None:
    """Loads the parameters into a student made by `load_student` with the same method and base.

    Raises DataError when the file is damaged or holds the parameters of another method.
    """
    path = folder / name
    try:
        tensors, weights = load_file(path), trainable(model)
    except SafetensorError as error:
        raise DataError(
            f"{path}: is damaged: {' '.join(str(error).split())[:200]}; remove {folder} to train "
            "it again"
        ) from None
    stored, expected = (
        {name: tensor.shape for name, tensor in named.items()} for named in (tensors, weights)
    )
    if stored != expected:
        raise DataError(
            f"{path}: holds the parameters of another method; remove {folder} to train it again"
        )
    for name, weight in weights.items():
        assign_weight(weight, tensors[name])


def save_student(model: TorchModel, folder: Path) -> str:
    """Replaces `folder` by the weights to serve and their config; returns the weights' sha256.

    A peft adapter for the untouched base, or, after full fine-tuning, a model in bfloat16.
    """
    from peft import PeftModel

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save = _save_adapter if isinstance(model, PeftModel) else _save_model
    with writing(folder, trained_bytes(model)):
        weights = save(model, folder)
        give_usual_mode(folder)
        return file_sha256(weights)


def check_weights(folder: Path, sha256: str) -> None:
    """Raises DataError where the weights to serve are not those that `save_student` hashed."""
    if [file_sha256(path) for path in folder.glob("*.safetensors")] != [sha256]:
        raise DataError(
            f"{folder}: its weights are damaged or missing: they are not those that the training "
            f"wrote; restore them, or remove {folder.parent} to train again"
        )


def _save_adapter(model: Any, folder: Path) -> Path:
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    path = folder / "adapter_model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    config = copy.copy(model.active_peft_config)
    config.inference_mode = True
    commit = hub_commit(str(config.base_model_name_or_path))
    if commit:
        config.base_model_name_or_path, config.revision = commit
    config.save_pretrained(folder)
    return path


def _save_model(model: Any, folder: Path) -> Path:
    converted: dict[int, torch.Tensor] = {}  # by memory address, so that tied weights stay tied
    state = {
        name: converted.setdefault(tensor.data_ptr(), tensor.to(torch.bfloat16))
        for name, tensor in model.state_dict().items()
    }
    model.save_pretrained(folder, state_dict=state, max_shard_size="1TB")  # one file: one hash
    config = copy.deepcopy(model.config)
    config.dtype = torch.bfloat16  # servers read it; save_pretrained writes the training dtype
    config.save_pretrained(folder)
    return folder / "model.safetensors"
