"""JSON Schemas of the files that people write, for editors: completion, hints and marked mistakes.

Derived from the settings classes, their docstrings and the comments at their fields. A schema knows
no rule that involves two fields; the program checks those. The copies in docs/schemas are written
by `python -m prompts.editor_schemas`.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, TypeAdapter

from config.checkout import ROOT
from config.field_comments import field_comments
from config.schema import Config
from data.atomic_write import write_text
from prompts.probe_bank import ProbeBank
from prompts.prompt_file import PromptFile, WorkedExample
from prompts.rules import RuleFile

SchemaKind = Literal["settings", "rules", "prompt", "examples", "probes"]
SCHEMA_KINDS: tuple[SchemaKind, ...] = get_args(SchemaKind)

_MODELS: dict[SchemaKind, Any] = {
    "settings": Config,
    "rules": RuleFile,
    "prompt": PromptFile,
    "examples": list[WorkedExample],
    "probes": ProbeBank,
}
_DIALECT = "http://json-schema.org/draft-07/schema#"  # the one that every editor reads
_EXTENDS = "YAML file whose settings this file changes; a path relative to this file"
_DROPPED = ("title", "discriminator")


class _Models(NamedTuple):
    """The classes behind a schema."""

    by_name: dict[str, type[BaseModel]]
    usual: dict[frozenset[str], tuple[str, ...]]  # classes of a union → kinds that may be left out


def schema_text(kind: SchemaKind) -> str:
    """The JSON Schema of one kind of file, as text."""
    return json.dumps(file_schema(kind), indent=1, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> dict[SchemaKind, Path]:
    """Writes `KIND.schema.json` for every kind into a folder; returns the paths."""
    paths = {kind: folder / f"{kind}.schema.json" for kind in SCHEMA_KINDS}
    for kind, path in paths.items():
        write_text(path, schema_text(kind))
    return paths


def schema_line(path: str) -> str:
    """The first line of a YAML file that shows editors its schema; a path relative to that file."""
    return f"# yaml-language-server: $schema={path}"


def file_schema(kind: SchemaKind) -> dict[str, Any]:
    """The JSON Schema of one kind of file."""
    model = _MODELS[kind]
    models = _Models({}, {})
    _collect(model, models)
    raw = TypeAdapter(model).json_schema(by_alias=True)
    if isinstance(model, type) and issubclass(model, BaseModel):
        _describe(raw, model)
    for name, definition in raw.get("$defs", {}).items():
        if name in models.by_name:
            _describe(definition, models.by_name[name])
    schema = _plain(raw, models.usual)
    return {"$schema": _DIALECT, **(_with_extends(schema) if kind == "settings" else schema)}


def _collect(annotation: Any, models: _Models) -> None:
    """The settings classes inside an annotation, and the unions whose kind may be left out."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation.__name__ not in models.by_name:
            models.by_name[annotation.__name__] = annotation
            for field in annotation.model_fields.values():
                _note_usual(field.annotation, field.metadata, models)
                _collect(field.annotation, models)
        return
    _note_usual(annotation, getattr(annotation, "__metadata__", ()), models)
    for part in get_args(annotation):
        _collect(part, models)


def _note_usual(annotation: Any, metadata: Any, models: _Models) -> None:
    for mark in metadata:
        if isinstance(mark, BeforeValidator) and (kinds := getattr(mark.func, "usual_kinds", None)):
            models.usual[frozenset(_class_names(annotation))] = kinds


def _class_names(annotation: Any) -> Iterator[str]:
    if isinstance(annotation, type):
        yield annotation.__name__
    for part in get_args(annotation):
        yield from _class_names(part)


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Adds the comments at the fields, where the schema has no description."""
    names = {name: field.alias or name for name, field in model.model_fields.items()}
    for name, comment in field_comments(model).items():
        schema["properties"][names[name]].setdefault("description", comment)


def _plain(schema: Any, usual: dict[frozenset[str], tuple[str, ...]]) -> Any:
    """The schema without what editors do not read; a union demands its kind."""
    if isinstance(schema, list):
        return [_plain(part, usual) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            plain[key] = {name: _plain(part, usual) for name, part in value.items()}
        elif key in ("default", "enum", "const"):
            plain[key] = value
        elif key not in _DROPPED:
            plain[key] = _plain(value, usual)
    if "discriminator" in schema:
        plain["oneOf"] = list(_branches(schema, usual))
    return plain


def _branches(
    schema: dict[str, Any], usual: dict[frozenset[str], tuple[str, ...]]
) -> Iterator[Any]:
    tag, mapping = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    names = frozenset(ref.rsplit("/", 1)[-1] for ref in mapping.values())
    optional = [mapping[kind] for kind in usual.get(names, ())]
    for branch in schema["oneOf"]:
        is_usual = branch["$ref"] in optional
        yield branch if is_usual else {"allOf": [branch], "required": [tag]}


def _with_extends(schema: dict[str, Any]) -> dict[str, Any]:
    """A file with `extends` may leave out whatever its parent gives."""
    definitions = schema.pop("$defs")
    whole = {**schema, "properties": {**schema["properties"]}}
    parts = {f"Part{name}": _part(definition) for name, definition in definitions.items()}
    extending = _part(whole)
    extends = {"type": "string", "description": _EXTENDS}
    extending["properties"] = {"extends": extends, **extending["properties"]}
    return {
        "if": {"required": ["extends"]},
        "then": {"$ref": "#/$defs/Extending"},
        "else": {"$ref": "#/$defs/Whole"},
        "$defs": {**definitions, **parts, "Extending": extending, "Whole": whole},
    }


def _part(schema: Any) -> Any:
    """The schema of values that are merged into a parent's: nothing is required outside lists."""
    if isinstance(schema, list):
        return [_part(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    return dict(_part_of(key, value) for key, value in schema.items() if key != "required")


def _part_of(key: str, value: Any) -> tuple[str, Any]:
    if key == "$ref":
        return key, value.replace("#/$defs/", "#/$defs/Part")
    if key in ("items", "default", "enum", "const"):
        return key, deepcopy(value)
    if key == "properties":
        return key, {name: _part(inner) for name, inner in value.items()}
    return "anyOf" if key == "oneOf" else key, _part(value)


if __name__ == "__main__":
    write_schemas(ROOT / "docs" / "schemas")
