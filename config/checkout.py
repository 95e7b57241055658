"""The folder that holds the rooms: a checkout with its commit, or `rooms/` of the wheel."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def checkout_commit() -> str:
    """The commit, with +dirty when files differ from it; "unknown" without git."""
    try:
        if Path(_git("rev-parse", "--show-toplevel")) != ROOT:  # installed, in another repository
            return "unknown"
        head = _git("rev-parse", "HEAD")
        return head + ("+dirty" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
