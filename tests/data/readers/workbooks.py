"""Workbooks for tests, written by openpyxl and then changed as Excel or a fault would have it."""

import io
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl

_INLINE = re.compile(rb't="inlineStr"><is><t(?: [^>]*)?>([^<]*)</t></is>')
_STRINGS = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_SHARED = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{_STRINGS}"/></Types>'


def save_workbook(path: Path, *sheets: Sequence[Sequence[Any]]) -> Path:
    """A workbook with these sheets: A, B, …"""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in zip("ABCD", sheets, strict=False):
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def change_part(path: Path, part: str, old: bytes, new: bytes) -> None:
    """Changes the XML of one part of a workbook."""
    parts = _parts(path)
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new)
    _write(path, parts)


def share_strings(path: Path) -> Path:
    """Moves the texts of a workbook into one part for all its sheets, as Excel stores them."""
    parts, texts = _parts(path), list[bytes]()

    def shared(match: re.Match[bytes]) -> bytes:
        texts.append(match[1])
        return b't="s"><v>%d</v>' % (len(texts) - 1)

    for name in [name for name in parts if name.startswith("xl/worksheets/")]:
        parts[name] = _INLINE.sub(shared, parts[name])
    items = b"".join(b'<si><t xml:space="preserve">%b</t></si>' % text for text in texts)
    namespace = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    parts["xl/sharedStrings.xml"] = b'<sst xmlns="%b">%b</sst>' % (namespace, items)
    types = parts["[Content_Types].xml"]
    parts["[Content_Types].xml"] = types.replace(b"</Types>", _SHARED.encode())
    _write(path, parts)
    return path


def _parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as book:
        return {name: book.read(name) for name in book.namelist()}


def _write(path: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, data in parts.items():
            book.writestr(name, data)
