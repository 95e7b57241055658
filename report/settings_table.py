"""Flattens the settings of several trainings and splits them: which differ, which agree."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class SettingsTable(NamedTuple):
    """The settings of several trainings as text."""

    columns: tuple[str, ...]  # settings that differ, in order of appearance
    rows: tuple[tuple[str, ...], ...]  # for each training its values of the columns
    common: tuple[tuple[str, str], ...]  # settings that agree, with their value


def compare_settings(settings: Sequence[Mapping[str, Any]]) -> SettingsTable:
    """The table of these settings, which may be nested."""
    flat = [dict(flatten(values)) for values in settings]
    keys = dict.fromkeys(key for values in flat for key in values)
    columns = tuple(key for key in keys if len({values.get(key) for values in flat}) > 1)
    rows = tuple(tuple(values.get(key, "") for key in columns) for values in flat)
    return SettingsTable(
        columns, rows, tuple((key, flat[0][key]) for key in keys if key not in columns)
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (dotted key, text)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{key}", ", ".join(map(str, value)) or "none"
        else:
            yield f"{prefix}{key}", "none" if value is None else str(value)
