"""The size of a model, from its files, without loading it."""

import json
from math import prod
from pathlib import Path
from typing import NamedTuple

EMBEDDED_PARAMETERS = 134_515_008  # of the embedded model, which also judges
_EMBEDDINGS = ("embed", "lm_head", "wte")  # in the names of their tensors


class ModelSize(NamedTuple):
    """What time and memory depend on."""

    parameters: int
    hidden: int
    layers: int
    embeddings: int = 0  # parameters of embeddings and head, which qlora leaves in 16 bits


def model_size(folder: Path) -> ModelSize | None:
    """The model's size; None where its weights are not there yet or its config is unusual."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        config = config.get("text_config", config)
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        tensors = [tensor for file in folder.glob("*.safetensors") for tensor in _tensors(file)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    parameters = sum(count for _, count in tensors)
    embeddings = sum(count for name, count in tensors if any(p in name for p in _EMBEDDINGS))
    return ModelSize(parameters, hidden, layers, embeddings) if parameters else None


def _tensors(path: Path) -> list[tuple[str, int]]:
    """Names and sizes in a safetensors file, by its header: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return [
        (name, prod(tensor["shape"])) for name, tensor in header.items() if name != "__metadata__"
    ]
