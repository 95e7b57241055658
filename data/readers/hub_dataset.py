"""Datasets of the hub as logs: what a path may name, and whether the hub or the cache has it.

Asked in the settings check, so that a mistyped path of logs is told before anything is read.
"""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from threading import Thread

from config.errors import first_line
from data.readers.table_logs import TABLE_SUFFIXES, log_suffix

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_REACH_S = 3.0  # seconds for the hub's answer


def is_hub_dataset(path: str) -> bool:
    """Whether a path that is not there may name a dataset on the hub."""
    return bool(_HUB_ID.fullmatch(path)) and log_suffix(Path(path)) not in TABLE_SUFFIXES


def hub_dataset_fault(setting: str, path: str, root: Path) -> str | None:
    """Why logs of this path are neither here nor on the hub, with what was tried; None else.

    Asks the hub, for at most three seconds, unless HF_HUB_OFFLINE is set.
    """
    if not is_hub_dataset(path) or (root / path).exists() or _is_cached(path):
        return None
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        reason: str | None = "HF_HUB_OFFLINE is set, so that the hub was not asked"
    else:
        reason = _refusal(path)
    if reason is None:
        return None
    place = f"{(root / path).absolute()}{_hint(path, root)}"
    return (
        f"{setting} = {path}: there is no file or folder {place}, and no dataset of this id in the "
        f"cache or on the hub ({reason}); correct the path, or download the dataset: hf download "
        f"--repo-type dataset {path} --local-dir FOLDER"
    )


def _is_cached(name: str) -> bool:
    """Whether a download of this dataset, or what `load_dataset` made of it, is on this machine."""
    from huggingface_hub import constants

    home = os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets"
    download = Path(constants.HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}"
    return download.is_dir() or (Path(home) / name.replace("/", "___")).is_dir()


def _refusal(name: str) -> str | None:
    """Why the hub does not give this dataset; None where it does."""
    answers: list[str | None] = []
    thread = Thread(target=lambda: answers.append(_ask_hub(name)), daemon=True)
    thread.start()
    thread.join(_REACH_S)
    return answers[0] if answers else f"no answer within {_REACH_S:g} s"


def _ask_hub(name: str) -> str | None:
    from huggingface_hub import HfApi

    try:
        HfApi().dataset_info(name, timeout=_REACH_S)
    except Exception as error:  # of the hub, of the network, or of a name that is no id
        return first_line(error)
    return None


def _hint(path: str, root: Path) -> str:
    """The file of the same folder with a similar name, if there is one."""
    folder = (root / path).parent
    if not folder.is_dir():
        return ""
    names = {part.name: part.name for part in folder.iterdir()}
    names |= {Path(name).stem: name for name in names}
    similar = get_close_matches(Path(path).name, names, n=1)
    return f" (did you mean {Path(path).parent / names[similar[0]]}?)" if similar else ""
