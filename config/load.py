"""Reads an experiment: YAML with `extends`, overrides from the command line, errors with a way out.

Knows YAML's traps (duplicate keys, `1e-4` as text); leaves the meaning of settings to the schema.
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from config.errors import ConfigError
from config.schema import Config

_Model = TypeVar("_Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and reads 1e-4 as the number it is."""


_Loader.yaml_implicit_resolvers = {  # a copy: SafeLoader itself stays as it is
    key: list(pairs) for key, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        key = str(key_node.value)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise ConfigError(f"line {line}: key {key!r} is given twice; keep one of the two")
        seen.add(key)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, where: str) -> Any:
    """YAML text → plain values. Raises ConfigError naming `where` on anything but plain data."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def read_yaml(path: Path) -> Any:
    """The plain values of a YAML file. Raises ConfigError when it cannot be read."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; give the path from the folder you are in"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def validated(model: type[_Model], values: Any, where: str) -> _Model:
    """`values` as a `model`. Raises ConfigError with one line for the first thing that is wrong."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{where}: {_unknown(path, model)}") from None
        shown = repr(first["input"])[:80]
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}: {path or 'settings'} = {shown}: {message}") from None


def _unknown(path: str, model: type[BaseModel]) -> str:
    key = path.rsplit(".", 1)[-1]
    near = difflib.get_close_matches(key, sorted(_keys(model, set())), n=1)
    way_out = f"did you mean {near[0]!r}?" if near else "remove it"
    return f"unknown setting {path!r}; {way_out}"


def _keys(model: Any, seen: set[Any]) -> set[str]:
    """Every key that a model or the models inside it know."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        if model in seen:
            return set()
        seen.add(model)
        fields = model.model_fields
        inside = [_keys(field.annotation, seen) for field in fields.values()]
        aliases = {field.alias for field in fields.values() if field.alias}
        return set(fields).union(aliases, *inside)
    return set().union(*(_keys(part, seen) for part in get_args(model)))


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The experiment in `path`, after its `extends` chain and `key.path=value` overrides."""
    values = _extended(path, ())
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign or not key:
            raise ConfigError(f"override {override!r}: write it as key.path=value")
        _assign(values, key.split("."), parse_yaml(text, f"override {key}"), override)
    return validated(Config, values, str(path))


def _extended(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    if path in chain:
        raise ConfigError(f"{path}: extends itself through {' → '.join(map(str, chain))}")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: expected settings as `key: value`, found {type(values).__name__}"
        )
    parent = values.pop("extends", None)
    if parent is None:
        return values
    return _merged(_extended(path.parent / str(parent), (*chain, path)), values)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _assign(values: Any, keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        if isinstance(values, list) and key.isdigit() and int(key) < len(values):
            values = values[int(key)]
        elif isinstance(values, dict):
            values = values.setdefault(key, {})
        else:
            raise ConfigError(f"override {override!r}: there is nothing below {key!r}")
    if isinstance(values, list) and keys[-1].isdigit() and int(keys[-1]) < len(values):
        values[int(keys[-1])] = value
    elif isinstance(values, dict):
        values[keys[-1]] = value
    else:
        raise ConfigError(f"override {override!r}: there is nothing to set at {keys[-1]!r}")
