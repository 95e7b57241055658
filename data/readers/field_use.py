"""What the mapped columns of a log held over the whole file: nothing at all, and missing words."""

import difflib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config.errors import DataError
from config.log_formats import FieldMap
from data.readers.cells import is_missing
from data.readers.field_path import find_value

_MAX_PATHS = 200  # of nested keys, for the hint on a misspelt path


class FieldUse:
    """Counts over the records of one file."""

    def __init__(self, fields: FieldMap) -> None:
        self._paths = _mapped(fields)
        self._present: set[str] = set()  # settings whose column some record has
        self._columns: dict[str, None] = {}  # of all records, in order
        self._nested: set[str] = set()
        self._missing: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, values: Mapping[str, Any]) -> None:
        """Counts one record."""
        self._columns.update(dict.fromkeys(values))
        if len(self._nested) < _MAX_PATHS:
            self._nested.update(_nested_paths(values))
        for setting, path in self._paths.items():
            try:
                value = find_value(values, path)
            except KeyError:
                continue
            self._present.add(setting)
            for cell in value if isinstance(value, list) else (value,):
                if isinstance(cell, str) and is_missing(cell):
                    self._missing[path][cell.strip()] += 1

    def missing_words(self) -> dict[str, dict[str, int]]:
        """Column → word that means a missing value → cells."""
        return {path: dict(counts) for path, counts in self._missing.items()}

    def check(self, path: Path) -> None:
        """Raises DataError for a column that no record has: it must not be read as an empty one."""
        for setting, column in self._paths.items():
            if setting in self._present or not self._columns:
                continue
            raise DataError(
                f"{path}: fields.{setting} = {column!r}: no row has that column; "
                f"{self._hint(column)}"
            )

    def _hint(self, column: str) -> str:
        ends = [path for path in sorted(self._nested) if path.endswith(f".{column}")]
        known = sorted({*self._columns, *self._nested})
        similar = ends or difflib.get_close_matches(column, known, n=1)
        if similar:
            return f"did you mean {similar[0]!r}?"
        return f"the columns are {', '.join(sorted(self._columns))}"


def _mapped(fields: FieldMap) -> dict[str, str]:
    """Setting → column or path."""
    single = fields.model_dump(include={"question", "id", "contexts", "labels", "comment"})
    return {
        **{setting: path for setting, path in single.items() if path is not None},
        **{f"answers.{name}": path for name, path in fields.answers.items()},
        **{f"tags.{name}": path for name, path in fields.tags.items()},
    }


def _nested_paths(values: Mapping[str, Any]) -> Iterator[str]:
    """The paths of the keys one level below the record's own."""
    for column, value in values.items():
        if isinstance(value, dict):
            yield from (f"{column}.{key}" for key in value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield from (f"{column}.0.{key}" for key in value[0])
