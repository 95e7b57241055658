"""Whether a file is an Excel workbook that can be read, checked before anything is unpacked."""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError

from config.errors import DataError, first_line
from data.readers.entry import open_file

SAVE_AS_WORKBOOK = "save it as .xlsx, or the sheet as CSV UTF-8"

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # a stream of a workbook with a password
_MAX_UNPACKED = 1_000_000_000  # bytes of all parts; 500,000 rows with 1,000 characters take half
_MAX_RATIO = 200  # of unpacked to packed bytes; sheets of repeated rows reach 50, bombs 1,000
_SMALL = 50_000_000  # unpacked bytes that are harmless whatever the ratio
_HEAD = 4096  # bytes of a part, which hold a document type where there is one
_PART = 1 << 20  # bytes that are searched at a time
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


def check_workbook(path: Path) -> None:
    """Raises DataError where the file is none, or protected, damaged or a zip bomb."""
    with open_file(path) as file:
        start = file.read(4)
    if start == _OLE:
        raise DataError(f"{path}: {_ole_kind(path)}; {SAVE_AS_WORKBOOK}")
    if start != _ZIP:
        raise DataError(
            f"{path}: no Excel workbook, or damaged; {SAVE_AS_WORKBOOK}, or give the file the "
            "suffix of what it is"
        )
    try:
        with ZipFile(path) as book:
            _check_parts(path, book)
    except (BadZipFile, ZlibError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{path}: a damaged Excel workbook ({first_line(error)}); copy it again, or open it in "
            f"Excel and {SAVE_AS_WORKBOOK}"
        ) from None


def has_formulas(path: Path) -> bool:
    """Whether some sheet of a checked workbook has a formula."""
    with ZipFile(path) as book:
        sheets = [name for name in book.namelist() if "worksheets/" in name]
        return any(_has_formula(book, name) for name in sheets)


def _ole_kind(path: Path) -> str:
    with open_file(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        is_protected = data.find(_ENCRYPTED) >= 0
    if is_protected:
        return "a workbook with a password; remove it (Excel: File, Info, Protect Workbook)"
    return "an old Excel workbook (.xls)"


def _check_parts(path: Path, book: ZipFile) -> None:
    parts = {part.filename: part for part in book.infolist()}
    if "xl/workbook.bin" in parts:
        raise DataError(f"{path}: a binary Excel workbook (.xlsb); {SAVE_AS_WORKBOOK}")
    if not any(name.endswith("workbook.xml") for name in parts):
        raise DataError(f"{path}: a zip archive, but no Excel workbook; {SAVE_AS_WORKBOOK}")
    unpacked, packed = sum(part.file_size for part in parts.values()), path.stat().st_size
    is_bomb = unpacked > _SMALL and unpacked > _MAX_RATIO * packed
    if unpacked > _MAX_UNPACKED or is_bomb:
        limit = f"{_MAX_RATIO} times its size" if is_bomb else f"{_MAX_UNPACKED / 1e6:,.0f} MB"
        raise DataError(
            f"{path}: unpacks to {unpacked / 1e6:,.0f} MB, more than {limit}; if it is not a zip "
            "bomb, save the sheet as CSV UTF-8"
        )
    for part in parts.values():
        if _has_document_type(book, part):
            raise DataError(
                f"{path}: its part {part.filename} declares a document type, which Excel never "
                f"writes; open it in Excel and {SAVE_AS_WORKBOOK}"
            )


def _has_document_type(book: ZipFile, part: ZipInfo) -> bool:
    """Whether an XML part may define entities, which can unfold to any size."""
    if not part.filename.endswith((".xml", ".rels")):
        return False
    with book.open(part) as file:
        return b"<!DOCTYPE" in file.read(_HEAD).replace(b"\0", b"")


def _has_formula(book: ZipFile, name: str) -> bool:
    with book.open(name) as file:
        return any(
            _FORMULA.search(part) for part in _overlapping(iter(lambda: file.read(_PART), b""))
        )


def _overlapping(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Each part behind the end of the one before it."""
    end = b""
    for part in parts:
        yield end + part
        end = part[-32:]
