"""Loads an experiment: YAML with `extends`, then overrides from the command line.

Guards against YAML's traps (duplicate keys, `1e-4` as text); the schema checks the settings.
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from config.errors import ConfigError
from config.schema import Config

_Model = TypeVar("_Model", bound=BaseModel)
_REPLACED = {"teacher.repair": "teacher.guided"}  # former settings


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and reads 1e-4 as a number."""


_Loader.yaml_implicit_resolvers = {  # a copy: SafeLoader itself stays unchanged
    key: list(pairs) for key, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    keys: set[str] = set()
    for key_node, _ in node.value:
        key = str(key_node.value)
        if key in keys:
            line = key_node.start_mark.line + 1
            raise ConfigError(f"line {line}: key {key!r} is given twice; remove one of the two")
        keys.add(key)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, where: str) -> Any:
    """Parses YAML text. Raises ConfigError, beginning with `where`, unless it is plain data."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes every text which `_Loader` would read as a number."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def dump_config(config: Config) -> str:
    """The resolved settings as YAML: `load_config` reads the same ones from it."""
    values = config.model_dump(mode="json")
    return yaml.dump(values, Dumper=_Dumper, allow_unicode=True, sort_keys=False)


def read_yaml(path: Path) -> Any:
    """Reads a YAML file. Raises ConfigError when it cannot be read or parsed."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such file; paths are relative to the current folder"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def validated(model: type[_Model], values: Any, where: str) -> _Model:
    """`values` as a `model`. Raises ConfigError with one line for the first mistake."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{where}: {_unknown(path, model)}") from None
        message = first["msg"].removeprefix("Value error, ")
        value = f"{path} = {repr(first['input'])[:80]}: " if path else ""
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
    if path in chain:
        raise ConfigError(
            f"{path}: extends itself through {' → '.join(map(str, chain))}; remove one `extends`"
        )
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping `key: value`, not {type(values).__name__}")
    parent = values.pop("extends", None)
    if parent is None:
        return values
    return _merged(_extended(path.parent / str(parent), (*chain, path)), values)


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
    try:
        for key in parents:
            values = values[int(key)] if isinstance(values, list) else values.setdefault(key, {})
        values[int(last) if isinstance(values, list) else last] = value
    except (AttributeError, IndexError, TypeError, ValueError):
        path = ".".join(keys)
        raise ConfigError(f"override {override!r}: the settings have no place {path}") from None
