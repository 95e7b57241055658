"""Whether a model of the hub is there: in the local cache, or on the hub, asked once.

Also fetches what counting tokens needs, so that a dry run downloads no weights.
"""

from pathlib import Path
from threading import Thread
from typing import NamedTuple

from config.errors import SetupError
from engine.embedded import EMBEDDED
from engine.hub_snapshot import TOKENIZER_FILES, hub_snapshot

HUB_REACH_S = 3.0  # seconds for the hub's answer


class HubModel(NamedTuple):
    """What the hub says of a model that is not in the cache."""

    commit: str
    gigabytes: float | None  # of its weights; None: not stated


def is_hub_id(name: str) -> bool:
    """Whether a model's name is neither the embedded model, nor a file, nor a folder."""
    return name != EMBEDDED and not name.startswith((".", "/", "~")) and not Path(name).exists()


def is_cached(hub_id: str, revision: str | None) -> bool:
    """Whether the config of this model and revision is in the hub's local cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        return isinstance(try_to_load_from_cache(hub_id, "config.json", revision=revision), str)
    except HFValidationError:
        return False


def find_on_hub(setting: str, hub_id: str, revision: str | None) -> HubModel:
    """What the hub says of the model, after at most HUB_REACH_S seconds.

    Raises SetupError where it has no such model or revision, or cannot be reached.
    """
    answers: list[HubModel | Exception] = []
    thread = Thread(target=lambda: answers.append(_ask_hub(hub_id, revision)), daemon=True)
    thread.start()
    thread.join(HUB_REACH_S)
    answer = answers[0] if answers else TimeoutError(f"no answer within {HUB_REACH_S:g} s")
    if isinstance(answer, HubModel):
        return answer
    at = f" at revision {revision}" if revision else ""
    line = (str(answer).strip().splitlines() or [type(answer).__name__])[0][:200]
    raise SetupError(
        f"{setting} = {hub_id}{at}: neither in the local cache nor to be had from the hub: {line}; "
        "check the name and the network, or give a folder"
    )


def tokenizer_folder(hub_id: str, revision: str | None) -> Path:
    """A folder with the model's config and tokenizer; no weights are downloaded.

    Raises SetupError as `find_on_hub` and `hub_snapshot` do.
    """
    if not is_cached(hub_id, revision):
        # by its commit: the branch goes on counting as not cached
        revision = find_on_hub("model.name", hub_id, revision).commit
    return hub_snapshot(hub_id, revision, TOKENIZER_FILES)


def _ask_hub(hub_id: str, revision: str | None) -> HubModel | Exception:
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(
            hub_id, revision=revision, timeout=HUB_REACH_S, files_metadata=True
        )
    except Exception as error:  # of the hub, of the network, or of a name that is no id
        return error
    sizes = [
        file.size or 0 for file in info.siblings or () if file.rfilename.endswith(".safetensors")
    ]
    return HubModel(info.sha or "main", sum(sizes) / 1e9 if sum(sizes) else None)
