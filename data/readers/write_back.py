"""Gives the hidden set back in its own format, with one column of answers more.

Leaves everything else as its owners wrote it: text formats are spliced, not rewritten, so even
a record that could not be read comes back as it was.
"""

import io
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from config.errors import DataError
from config.log_formats import Logs
from data.atomic_write import write_bytes
from data.readers.logs import outcomes
from data.readers.tables import Entry, read_bytes
from data.rows import Row

_BOM = b"\xef\xbb\xbf"


def write_hidden(
    source: Logs, root: Path, answers: Mapping[str, str], column: str, out: Path
) -> tuple[str, ...]:
    """Writes the source file with `column`, the answer by row id, added to `out`.

    Returns what got an empty text because it has no answer: a row's id, or `file:line` of a
    record that is no row (what is no JSON object stays as it is). Raises DataError when the file
    has no records, the column exists already, or an answer belongs to no row.
    """
    path = root / source.path
    found = list(outcomes(source, root))
    ids = [outcome.id if isinstance(outcome, Row) else None for _, outcome in found]
    _refuse(path, column, [entry for entry, _ in found], set(answers).difference(ids))
    texts = ["" if identity is None else answers.get(identity, "") for identity in ids]
    entries = [entry for entry, _ in found]
    if path.suffix.lower() == ".parquet":
        from data.parquet import add_column  # pyarrow is heavy and only one format needs it

        add_column(path, column, texts, out)
    else:
        write_bytes(out, _spliced(path, column, entries, texts))
    return tuple(
        identity or f"{source.path}:{entry.line}"
        for identity, entry in zip(ids, entries, strict=True)
        if identity is None or identity not in answers
    )


def _refuse(path: Path, column: str, entries: Sequence[Entry], strange: set[str]) -> None:
    if not entries:
        raise DataError(f"{path}: holds no rows; is it the right file?")
    if any(entry.value is not None and column in entry.value for entry in entries):
        raise DataError(f"{path}: column {column!r} is there already; name the new one differently")
    if strange:
        raise DataError(
            f"{path}: {len(strange)} answers belong to no row of it, the first to "
            f"{min(strange)!r}; answer this file's rows"
        )


def _spliced(path: Path, column: str, entries: Sequence[Entry], texts: Sequence[str]) -> bytes:
    """The file's text with something put into each record, bytes that are not UTF-8 included."""
    data = read_bytes(path)
    text = data.removeprefix(_BOM).decode("utf-8", "surrogateescape")
    is_csv = path.suffix.lower() == ".csv"
    position = _above(text, entries[0].line) if is_csv else 0
    parts = [_csv_field(text[:position], column)] if is_csv else []
    for entry, answer in zip(entries, texts, strict=True):
        begins = text.index(entry.raw, position)  # only blanks and commas lie between
        parts.append(text[position:begins])
        field = _csv_field(entry.raw, answer) if is_csv else _json_field(entry, column, answer)
        parts.append(field)
        position = begins + len(entry.raw)
    parts.append(text[position:])
    bom = _BOM if data.startswith(_BOM) else b""
    return bom + "".join(parts).encode("utf-8", "surrogateescape")


def _above(text: str, line: int) -> int:
    """Length of what stands above a 1-based line: the header, and blank lines after it."""
    return sum(len(part) for part in islice(io.StringIO(text, newline=""), line - 1))


def _csv_field(raw: str, value: str) -> str:
    body = raw.rstrip("\r\n")
    quoted = '"' + value.replace('"', '""') + '"'
    return f"{body},{quoted}{raw[len(body) :]}"


def _json_field(entry: Entry, column: str, answer: str) -> str:
    """The object with one key more, set off as its first key is."""
    if entry.value is None:
        return entry.raw
    field = f"{json.dumps(column, ensure_ascii=False)}: {json.dumps(answer, ensure_ascii=False)}"
    opens, closes = entry.raw.index("{") + 1, entry.raw.rindex("}")
    body = entry.raw[opens:closes]
    text = body.rstrip()
    comma = "," + (body[: len(body) - len(body.lstrip())] or " ") if entry.value else ""
    return f"{entry.raw[:opens]}{text}{comma}{field}{body[len(text) :]}{entry.raw[closes:]}"
