"""The text of a log file: gzip and encoding are found by the file's first bytes.

A byte order mark names UTF-8, UTF-16 or UTF-32. Without one the text is UTF-8: a code page has no
mark, and a guess can be wrong. Invalid bytes become surrogates, which spoil only their record.
"""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from config.errors import DataError
from data.readers.entry import open_file

SAVE_AS_UTF8 = "save the file as UTF-8 (Excel: Save as, CSV UTF-8)"

_GZIP = b"\x1f\x8b"
_MARKS = (  # UTF-32's little-endian mark begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_TEXT = {
    b"PK\x03\x04": "a workbook or a zip archive; give a workbook the suffix .xlsx",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save it as .xlsx, or the sheet as CSV UTF-8",
    b"PAR1": "Parquet; give it the suffix .parquet",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it, or compress it with gzip",
    b"\xfd7zX": "compressed with xz; unpack it, or compress it with gzip",
    b"BZh": "compressed with bzip2; unpack it, or compress it with gzip",
}


class TextForm(NamedTuple):
    """How a file holds its text."""

    is_gzip: bool
    mark: bytes  # byte order mark in front of the text; b"" without one
    encoding: str  # of Python's codecs

    @property
    def errors(self) -> str:
        """The codec's error handler: an invalid byte or character survives a round trip."""
        return "surrogateescape" if self.encoding == "utf-8" else "surrogatepass"

    def encode(self, text: str) -> bytes:
        """A whole file with this text."""
        data = self.mark + text.encode(self.encoding, self.errors)
        return gzip.compress(data, mtime=0) if self.is_gzip else data


def text_form(path: Path) -> TextForm:
    """The form of a file. Raises DataError when it is missing, or is known not to be text."""
    with open_file(path) as file:
        is_gzip = file.read(2) == _GZIP
    with _open_bytes(path, is_gzip) as file:
        try:
            head = file.read(4)
        except (EOFError, OSError, zlib.error):
            raise _broken_gzip(path, 1) from None
    for magic, reason in _NOT_TEXT.items():
        if head.startswith(magic):
            raise DataError(f"{path}: is {reason}")
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return TextForm(is_gzip, mark, encoding)
    if len(head) == 4 and head.count(0) >= 2 and head.strip(b"\0"):
        raise DataError(f"{path}: is UTF-16 without a byte order mark; {SAVE_AS_UTF8}")
    return TextForm(is_gzip, b"", "utf-8")


def read_lines(path: Path, newline: str, longest: int = -1) -> Iterator[str]:
    """The lines of a file with their ends, one at a time in memory.

    `newline` as in `open`: "" ends lines at \\n, \\r and \\r\\n, "\\n" at \\n alone. A line of more
    than `longest` characters comes in parts. Raises DataError naming the line at which gzip data
    or UTF-16 break off.
    """
    form = text_form(path)
    number, line = 0, "\n"
    with _open_bytes(path, form.is_gzip) as file:
        file.read(len(form.mark))
        text = io.TextIOWrapper(file, form.encoding, form.errors, newline)
        while True:
            number += line.endswith(("\n", "\r"))
            try:
                line = text.readline(longest)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}: not {error.encoding}: {error.reason}; {SAVE_AS_UTF8}"
                ) from None
            except (EOFError, OSError, zlib.error):
                raise _broken_gzip(path, number) from None
            if not line:
                return
            yield line


def read_text(path: Path) -> str:
    """The whole text of a file. Raises DataError as `read_lines` does."""
    return "".join(read_lines(path, "\n"))


@contextmanager
def _open_bytes(path: Path, is_gzip: bool) -> Iterator[IO[bytes]]:
    with open_file(path) as file:
        yield cast(IO[bytes], gzip.GzipFile(fileobj=file)) if is_gzip else file


def _broken_gzip(path: Path, line: int) -> DataError:
    return DataError(f"{path}:{line}: the gzip data break off or are damaged here; copy it again")
