"""A model of the hub at one commit: its folder in the local cache."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

from config.errors import SetupError

# weights as safetensors, tokenizer and config; nothing of subfolders (other formats of the weights)
_FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja")
_NO_FILES = ("*/*", "consolidated*")


class HubCommit(NamedTuple):
    """Where a folder of the cache comes from."""

    hub_id: str  # owner/name
    commit: str  # 40 hex digits


@cache
def hub_snapshot(hub_id: str, revision: str | None) -> Path:
    """The folder of a branch, tag or commit (None: the main branch); downloads what is missing.

    Raises SetupError when there is no such model or revision, or it cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        folder = snapshot_download(
            hub_id, revision=revision, allow_patterns=list(_FILES), ignore_patterns=list(_NO_FILES)
        )
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        at = f" at model.revision = {revision}" if revision else ""
        line = str(error).strip().splitlines()[0][:200]
        raise SetupError(
            f"model.name = {hub_id}{at} cannot be fetched: {line}; check name and revision, or "
            "give a folder"
        ) from None
    return Path(folder)


def hub_commit(folder: str) -> HubCommit | None:
    """Hub id and commit of a folder in the hub's cache; None for any other folder."""
    path = Path(folder)
    models = path.parent.parent.name
    if path.parent.name != "snapshots" or not models.startswith("models--"):
        return None
    return HubCommit(models.removeprefix("models--").replace("--", "/"), path.name)
