"""Whether a stored file is there. A link that leads nowhere is an error, not a missing file.

What a broken link stood for may lie on a disk that is not mounted: it is neither taken as missing
nor overwritten.
"""

import os
from pathlib import Path

from config.errors import DataError


def is_stored(path: Path) -> bool:
    """Whether something is at `path`. Raises DataError for a broken link, OSError as `stat` does.

    `Path.exists` takes links that loop, and names below a file, as missing.
    """
    try:
        path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise DataError(
                f"{path}: is a link to {os.readlink(path)}, which is not there; mend or remove the "
                "link"
            ) from None
        return False
    return True
