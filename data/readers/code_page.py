"""Whether a text file without a byte order mark is in cp1251, as Excel saves CSV in Russian.

A guess that is only made where it is safe: Russian words in mixed case. Every other file that is
not UTF-8 stays an error, which says how to save it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from data.readers.entry import open_file

CP1251 = "cp1251"
_HEAD = 65_536  # bytes
_PART = 1_000_000  # characters that are in memory
_LETTERS = re.compile("[А-Яа-яЁё]")
_LOWER = re.compile("[а-яё]")
_ALONE = re.compile("(?:(?<=[A-Za-z])[А-Яа-яЁё]|[А-Яа-яЁё](?=[A-Za-z]))")  # é of Latin-1 reads as й
_SIGNS = "«»„“”‘’–—…№\u00a0°·§€"


def is_cp1251(path: Path) -> bool:
    """Whether the file is not UTF-8 and reads as Russian in cp1251. Raises DataError as `open`."""
    with open_file(path) as file:
        head = file.read(_HEAD)
    try:
        head[: head.rfind(b"\n") + 1 or None].decode()
        return False
    except UnicodeDecodeError:
        pass
    if b"\0" in head or head.startswith((b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")):
        return False
    text = head.decode(CP1251, "replace")
    foreign = sum(char > "\x7f" for char in text)
    letters, lower = len(_LETTERS.findall(text)), len(_LOWER.findall(text))
    signs = sum(char in _SIGNS for char in text)
    return (
        letters > 0
        and letters + signs >= 0.98 * foreign
        and lower >= 0.6 * letters
        and len(_ALONE.findall(text)) <= 0.05 * letters
    )


@contextmanager
def as_utf8(path: Path) -> Iterator[Path]:
    """A copy of a cp1251 file in UTF-8, in a folder that is removed afterwards."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        with (
            path.open(encoding=CP1251, errors="surrogateescape", newline="") as source,
            copy.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
        ):
            while part := source.read(_PART):
                out.write(part)
        yield copy
