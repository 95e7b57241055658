"""Loads an experiment: YAML with `extends`, then overrides from the command line.

`config.yaml_file` guards against YAML's traps; the schema checks the settings.
"""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from config.base_url import SECRET_IN_URL
from config.errors import ConfigError
from config.schema import Config
from config.url_secrets import masked_settings
from config.yaml_file import dump_yaml, parse_yaml, read_yaml

_Model = TypeVar("_Model", bound=BaseModel)
_MAX_EXTENDS = 20  # files in a chain
_MAX_KEYS = 50  # of an override
_REPLACED = {  # former settings
    "teacher.repair": "teacher.guided",
    "wandb": "report_to: [wandb]",
    "trackio": "report_to: [trackio]",
}


def dump_config(config: Config) -> str:
    """The resolved settings as YAML: `load_config` reads the same ones from it."""
    values = config.model_dump(mode="json")
    return dump_yaml(values)


def validated(model: type[_Model], values: Any, where: str) -> _Model:
    """`values` as a `model`. Raises ConfigError with one line for the first mistake."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])[:200]
        path = path if path.isprintable() else repr(path)
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{where}: {_unknown(path, model)}") from None
        message = first["msg"].removeprefix("Value error, ")
        shown = "***" if first["type"] == SECRET_IN_URL else repr(masked_settings(first["input"]))
        value = f"{path} = {shown[:80]}: " if path else ""
        raise ConfigError(f"{where}: {value}{message}") from None


def _unknown(path: str, model: type[BaseModel]) -> str:
    if path in _REPLACED:
        return f"unknown setting {path!r}; set {_REPLACED[path]!r} in its place"
    key = path.rsplit(".", 1)[-1]
    schema = model.model_json_schema()
    nested = [schema, *schema.get("$defs", {}).values()]
    known = sorted({name for part in nested for name in part.get("properties", ())})
    similar = difflib.get_close_matches(key, known, n=1)
    way_out = f"did you mean {similar[0]!r}?" if similar else "remove it"
    return f"unknown setting {path!r}; {way_out}"


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The experiment in `path`, with its `extends` chain and `key.path=value` overrides applied.

    Raises ConfigError for unreadable files, unknown settings and invalid values.
    """
    values = _extended(path, ())
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign or not key:
            raise ConfigError(f"override {override!r} is malformed; write it as key.path=value")
        _assign(values, key.split("."), parse_yaml(text, f"override {key}"), override)
    return validated(Config, values, str(path))


def _extended(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    is_circle = os.path.realpath(path) in map(os.path.realpath, chain)
    if is_circle or len(chain) > _MAX_EXTENDS:
        raise ConfigError(
            f"{path}: extends itself through {' → '.join(map(str, chain))}; remove one `extends`"
        )
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping `key: value`, not {type(values).__name__}")
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise ConfigError(f"{path}: extends = {parent!r}: expected the name of one file")
    return _merged(_extended(path.parent / parent, (*chain, path)), values)


def _merged(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    merged = dict(parent)
    for key, value in child.items():
        inherited = merged.get(key)
        if isinstance(inherited, dict) and isinstance(value, dict):
            value = _merged(inherited, value)
        merged[key] = value
    return merged


def _assign(values: Any, keys: list[str], value: Any, override: str) -> None:
    *parents, last = keys
    if len(keys) > _MAX_KEYS:
        raise ConfigError(f"override {override[:80]!r} …: names a place more than {_MAX_KEYS} deep")
    try:
        for key in parents:
            values = values[int(key)] if isinstance(values, list) else values.setdefault(key, {})
        values[int(last) if isinstance(values, list) else last] = value
    except (AttributeError, IndexError, TypeError, ValueError):
        path = ".".join(keys)
        raise ConfigError(f"override {override!r}: the settings have no place {path}") from None
