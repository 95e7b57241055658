"""From a model's name in the settings to a folder or hub id, identity, weights and tokenizer."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from config.errors import SetupError
from data.records import digest
from engine.embedded import NAME, embedded_model
from engine.precision import precision


def resolve_model(name: str) -> str:
    """What the libraries take: the embedded model's folder, a folder, or a hub id.

    Raises SetupError for a folder that is not one, or whose weights are not safetensors.
    """
    if name == NAME:
        return str(embedded_model())
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not list(folder.glob("*.safetensors")):
            raise SetupError(
                f"model.name = {name}: no *.safetensors there; "
                "other weight files can run code when loaded and are refused"
            )
        return str(folder)
    if name.startswith((".", "/", "~")):
        raise SetupError(f"model.name = {name}: no such folder; give a folder or a hub id")
    return name


@cache
def model_identity(resolved: str) -> str:
    """Hash of a model's weights and config: of the files of a folder, of the id on a hub."""
    folder = Path(resolved)
    if not folder.is_dir():
        return digest(["hub", resolved])
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("config.json")])
    return digest([[file.name, file_sha256(file)] for file in files])


def file_sha256(path: Path) -> str:
    """Hex hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_base(resolved: str, **options: Any) -> Any:
    """The model in this machine's precision, or as transformers' `options` say.

    Raises SetupError when transformers cannot load it.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it would stand where the answers' bar is looked for
    settings: dict[str, Any] = {"dtype": precision(), "trust_remote_code": False, **options}
    try:
        return AutoModelForCausalLM.from_pretrained(resolved, use_safetensors=True, **settings)
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0][:200]
        raise SetupError(f"model.name = {resolved}: cannot be loaded: {line}") from None


def load_tokenizer(resolved: str) -> PreTrainedTokenizerBase:
    """The model's tokenizer. Raises SetupError when it cannot be loaded."""
    try:
        return AutoTokenizer.from_pretrained(resolved, trust_remote_code=False)
    except (OSError, ValueError) as error:
        line = str(error).strip().splitlines()[0][:200]
        raise SetupError(f"model.name = {resolved}: tokenizer cannot be loaded: {line}") from None
