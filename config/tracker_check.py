"""Whether the trackers that the settings name can be used, without importing any of them."""

import netrc
import os
from importlib.util import find_spec
from pathlib import Path

from config.errors import SetupError
from config.schema import Config
from config.training import TrackerKind, WandbSettings

_PACKAGES: dict[TrackerKind, str] = {  # as pip calls them
    "wandb": "wandb",
    "trackio": "trackio",
    "tensorboard": "tensorboard",
    "mlflow": "mlflow-skinny alembic sqlalchemy",  # the last two for its database
}


def check_trackers(config: Config) -> None:
    """Raises SetupError for a tracker that is not installed, or that needs a key and has none."""
    for tracker in config.report_to:
        if find_spec(tracker.kind) is None:
            raise SetupError(
                f"report_to: {tracker.kind} is not installed; run "
                f"`pip install {_PACKAGES[tracker.kind]}` or take it out of report_to"
            )
        if isinstance(tracker, WandbSettings) and tracker.mode == "online" and not _has_wandb_key():
            raise SetupError(
                "report_to: wandb with mode: online needs a key; set WANDB_API_KEY, run "
                "`wandb login`, or set mode: offline"
            )


def _has_wandb_key() -> bool:
    """Whether the environment or a netrc file, where `wandb login` stores it, may hold a key."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    named = os.environ.get("NETRC")
    files = [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]
    return any(_has_entries(path) for path in files if path.is_file())


def _has_entries(path: Path) -> bool:
    try:
        return bool(netrc.netrc(path).hosts)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError):
        return False
