"""The size of a model, from its files, without loading it."""

import json
from math import prod
from pathlib import Path
from typing import NamedTuple

EMBEDDED_PARAMETERS = 134_515_008  # of the embedded model, which also judges


class ModelSize(NamedTuple):
    """What time and memory depend on."""

    parameters: int
    hidden: int
    layers: int


def model_size(folder: Path) -> ModelSize | None:
    """The model's size; None where its weights are not there yet or its config is unusual."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        config = config.get("text_config", config)
        sizes = [config[name] for name in ("hidden_size", "num_hidden_layers")]
        parameters = sum(map(_parameters, folder.glob("*.safetensors")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return ModelSize(parameters, *map(int, sizes)) if parameters else None


def _parameters(path: Path) -> int:
    """The numbers in a safetensors file, by its header: eight bytes of length, then JSON."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
