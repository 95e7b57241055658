"""What to do about a file that is not there: the nearest name, or the folder of relative paths."""

import os
from itertools import islice
from pathlib import Path

from config.expected import nearest

_MAX_LISTED = 1000  # names of a folder that are compared with a misspelt one


def no_such_file(file: Path, beside: Path | None = None) -> str:
    """That the file is not there, and the way out. `beside`: a folder in which it may be meant."""
    if os.path.lexists(file):
        return "no such file: the link leads to nothing; correct it"
    start = "no such file"
    if not file.is_absolute():
        start += f" from {Path.cwd()}, the folder you are in"
    if beside is not None and (beside / file).exists():
        return f"{start}; write {os.path.relpath(beside / file)}"
    folder = file.parent
    if not folder.is_dir():
        return f"{start}: there is no folder {str(folder)!r}; correct the path"
    similar = nearest(file.name, _names(folder))
    if similar is not None:
        return f"{start}; did you mean {str(folder / similar)!r}?"
    return f"{start}; correct the path" + ("" if file.is_absolute() else ", or change the folder")


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _MAX_LISTED))
    except OSError:
        return []
