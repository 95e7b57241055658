"""Loads an experiment: YAML with `extends`, then overrides from the command line.

`config.yaml_file` guards against YAML's traps; the schema checks the settings.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from config.errors import ConfigError
from config.key_lines import Sources
from config.mistakes import mistakes_of, owner_name, shown_value
from config.schema import Config
from config.yaml_file import YamlDocument, dump_yaml, parse_yaml, read_document

_Model = TypeVar("_Model", bound=BaseModel)
_MAX_EXTENDS = 20  # files in a chain
_MAX_KEYS = 50  # of an override
_MAX_NAME = 200  # characters of a file's name


def dump_config(config: Config) -> str:
    """The resolved settings as YAML: `load_config` reads the same ones from it."""
    values = config.model_dump(mode="json")
    return dump_yaml(values)


def validated(model: type[_Model], values: Any, where: str | Sources) -> _Model:
    """`values` as a `model`. Raises ConfigError with one line for each mistake.

    `where`: what the lines begin with, or the files, for the line of each mistake in its file.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = []
        for path, text in mistakes_of(model, values, error):
            place = where if isinstance(where, str) else where.place(path)
            name = owner_name(path, values)
            lines.append(f"{place}: {'' if text.startswith(name) else name}{text}")
        raise ConfigError(*lines) from None


def read_settings(model: type[_Model], path: Path) -> _Model:
    """The settings that a YAML file without `extends` holds. Raises ConfigError."""
    document = read_document(path)
    return validated(model, document.values, Sources([(path, document)]))


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The experiment in `path`, with its `extends` chain and `key.path=value` overrides applied.

    Raises ConfigError for unreadable files, unknown settings and invalid values.
    """
    files = _chain(path, ())
    values: dict[str, Any] = {}
    for _, document in reversed(files):
        values = _merged(values, document.values)
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign or not key:
            raise ConfigError(f"override {override!r} is malformed; write it as key.path=value")
        _assign(values, key.split("."), parse_yaml(text, f"override {key}"), key)
    return validated(Config, values, Sources(files, overrides))


def settings_sources(path: Path, overrides: Sequence[str] = ()) -> Sources:
    """Where each setting of the experiment in `path` stands. Raises as `load_config` does."""
    return Sources(_chain(path, ()), overrides)


def _chain(path: Path, children: tuple[Path, ...]) -> list[tuple[Path, YamlDocument]]:
    """The file, the one that it extends, and so on."""
    is_circle = os.path.realpath(path) in map(os.path.realpath, children)
    if is_circle or len(children) > _MAX_EXTENDS:
        raise ConfigError(
            f"{path}: extends itself through {' → '.join(map(str, children))}; remove one `extends`"
        )
    document = read_document(path)
    if not isinstance(document.values, dict):
        content = "nothing" if document.values is None else shown_value(document.values)
        raise ConfigError(f"{path}: holds {content}; write settings `key: value`, one a line")
    parent = document.values.pop("extends", None)
    if parent is None:
        return [(path, document)]
    if not isinstance(parent, str):
        raise ConfigError(f"{path}: extends = {parent!r}: expected the name of one file")
    _check_extended(path, document, parent)
    return [(path, document), *_chain(path.parent / parent, (*children, path))]


def _check_extended(path: Path, document: YamlDocument, parent: str) -> None:
    """Raises ConfigError where the file that `path` extends is not there."""
    target = path.parent / parent
    if target.exists() or target.is_symlink() or len(parent) > _MAX_NAME:
        return
    place = Sources([(path, document)]).place(("extends",))
    same_name = [folder / target.name for folder in (Path(), Path("config"))]
    elsewhere = next((file for file in same_name if file.is_file()), None)
    way_out = "write the path from there"
    if elsewhere is not None:
        way_out = f"write {os.path.relpath(elsewhere, path.parent)}"
    raise ConfigError(
        f"{place}: extends = {parent!r}: no such file {str(target)!r}; the path starts at the "
        f"folder of {path.name}: {way_out}"
    )


def _merged(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = dict(parent)
    for key, value in child.items():
        inherited = merged.get(key)
        if isinstance(inherited, dict) and isinstance(value, dict):
            value = _merged(inherited, value)
        merged[key] = value
    return merged


def _assign(values: Any, keys: list[str], value: Any, name: str) -> None:
    *parents, last = keys
    if len(keys) > _MAX_KEYS:
        raise ConfigError(f"override {name[:80]!r} …: names a place more than {_MAX_KEYS} deep")
    for depth, key in enumerate(keys):
        try:
            if depth == len(parents):
                values[int(last) if isinstance(values, list) else last] = value
            else:
                values = _entered(values, key)
        except (AttributeError, IndexError, TypeError, ValueError):
            parent = ".".join(keys[:depth])
            raise ConfigError(
                f"override {name}: the settings have no place {name}: {_no_place(values, parent)}"
            ) from None


def _entered(values: Any, key: str) -> Any:
    return values[int(key)] if isinstance(values, list) else values.setdefault(key, {})


def _no_place(values: Any, parent: str) -> str:
    if isinstance(values, list):
        return f"{parent} has the places 0 to {len(values) - 1}; name one, or give the whole list"
    return f"{parent} is {shown_value(values)}; write {parent}={{key: value}} in its place"
