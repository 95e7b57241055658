"""A model of the hub at one commit: its folder in the local cache."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from config.errors import SetupError, first_line

TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.jinja")  # and config
MODEL_FILES = ("*.safetensors", *TOKENIZER_FILES)
_NO_FILES = ("*/*", "consolidated*")  # other formats of the weights
_REACH_S = 5.0  # seconds for the hub's first answer; its own client tries for more than a minute


class HubCommit(NamedTuple):
    """Where a folder of the cache comes from."""

    hub_id: str  # owner/name
    commit: str  # 40 hex digits


@cache
def hub_snapshot(
    hub_id: str, revision: str | None, patterns: tuple[str, ...] = MODEL_FILES
) -> Path:
    """The folder of a branch, tag or commit (None: the main branch); downloads what is missing.

    `patterns`: of the files that are needed.
    Without the hub, what was downloaded before. Raises SetupError when there is no such model or
    revision, or the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    problem, at = unreachable_hub(), f" at model.revision = {revision}" if revision else ""
    try:
        folder = snapshot_download(
            hub_id,
            revision=revision,
            allow_patterns=list(patterns),
            ignore_patterns=list(_NO_FILES),
            local_files_only=problem is not None,
        )
    except LocalEntryNotFoundError:
        reason = problem or "the hub does not deliver it"
        raise SetupError(
            f"model.name = {hub_id}{at} cannot be fetched: {reason}; "
            f"where there is a network, run `hf download {hub_id} "
            "--local-dir FOLDER`, and give that as a folder"
        ) from None
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        line = first_line(error)
        raise SetupError(
            f"model.name = {hub_id}{at} cannot be fetched: {line}; check name and revision, or "
            "give a folder"
        ) from None
    return Path(folder)


def unreachable_hub() -> str | None:
    """Why the hub cannot be asked, found out within seconds; None: it answers."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    answered = Event()

    def ask() -> None:
        with suppress(Exception):  # of the HTTP library that this version of the hub's client has
            answer = get_session().head(constants.ENDPOINT, timeout=_REACH_S)
            if answer.status_code < 500:  # else it is a proxy that says so
                answered.set()

    # in a thread: a name with eight addresses would take eight times as long
    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_REACH_S)
    return None if answered.is_set() else f"the hub {constants.ENDPOINT} cannot be reached"


def hub_commit(folder: str) -> HubCommit | None:
    """Hub id and commit of a folder in the hub's cache; None for any other folder."""
    path = Path(folder)
    models = path.parent.parent.name
    if path.parent.name != "snapshots" or not models.startswith("models--"):
        return None
    return HubCommit(models.removeprefix("models--").replace("--", "/"), path.name)
