"""The mode of files that libraries write through temporary files, which only their owner may read.

safetensors does so: without this, nobody else could serve an adapter.
"""

import secrets
from contextlib import suppress
from pathlib import Path


def give_usual_mode(folder: Path) -> None:
    """Gives every file in `folder` the mode that a new file has there: what the umask leaves.

    Files of another owner stay as they are. Raises OSError as `open` does.
    """
    probe = folder / f".{secrets.token_hex(8)}.tmp"  # a folder may have rules of its own
    with probe.open("xb"):
        mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mode & 0o777 != mode:
            with suppress(PermissionError):
                path.chmod(mode)
