"""Schemas for editors: they accept every file of the project and refuse files that cannot load."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema.protocols import Validator

from config.checkout import ROOT
from config.errors import UnpromptedError
from config.field_comments import field_comments
from config.judging import ServerSettings
from config.load import dump_config, load_config, validated
from config.schema import Config
from config.yaml_file import parse_yaml, read_yaml
from prompts.editor_schemas import (
    SCHEMA_KINDS,
    SchemaKind,
    file_schema,
    schema_line,
    schema_text,
    write_schemas,
)
from prompts.rules import RuleFile

KINDS: dict[str, SchemaKind] = {
    "rules.yaml": "rules",
    "system_prompt.yaml": "prompt",
    "examples.yaml": "examples",
    "probes.yaml": "probes",
    "en.yaml": "probes",
    "ru.yaml": "probes",
}
OWN = {"attacks.yaml"}  # of the program, in which nobody writes
FILES = sorted([*ROOT.glob("config/*.yaml"), *ROOT.glob("prompts/**/*.yaml")])
SETTINGS: dict[str, Any] = {
    "name": "t",
    "prompt": {"system": "p.yaml", "rules": "r.yaml"},
    "data": {"train": {"kind": "campus", "path": "t.json"}},
    "model": {"name": "embedded"},
    "students": [{"name": "a", "method": {"rank": 8}, "objective": {"kind": "on_policy"}}],
}
RULE: dict[str, Any] = {"id": "a", "source": "A.", "check": {"type": "json"}}


@pytest.fixture(scope="module")
def validators() -> dict[SchemaKind, Validator]:
    schemas = {kind: file_schema(kind) for kind in SCHEMA_KINDS}
    for schema in schemas.values():
        Draft7Validator.check_schema(schema)
    return {kind: Draft7Validator(schema) for kind, schema in schemas.items()}


def changed(place: str, value: Any, base: dict[str, Any] = SETTINGS) -> dict[str, Any]:
    """The settings with another value in a place; without the key where it is None."""
    values: dict[str, Any] = json.loads(json.dumps(base))
    *parents, last = place.split(".")
    inner: Any = values
    for key in parents:
        inner = inner[int(key)] if key.isdigit() else inner.setdefault(key, {})
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return values


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_of_the_project_is_valid(
    path: Path, validators: dict[SchemaKind, Validator]
) -> None:
    if path.name in OWN:
        return
    kind = "settings" if path.parent.name == "config" else KINDS[path.name]
    assert [error.message for error in validators[kind].iter_errors(read_yaml(path))] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/*.yaml")), ids=lambda path: path.name)
def test_resolved_settings_are_valid(path: Path, validators: dict[SchemaKind, Validator]) -> None:
    """Every setting with its value, as a run writes them."""
    values = parse_yaml(dump_config(load_config(path)), "dumped")
    assert list(validators["settings"].iter_errors(values)) == []


BROKEN: list[tuple[str, Any]] = [
    ("nmae", "t"),
    ("name", None),
    ("name", "a b"),
    ("seed", "one"),
    ("prompt.rules", None),
    ("prompt.rule", "r.yaml"),
    ("data.train.kind", "csv"),
    ("data.train.fields", {"question": "q"}),
    ("data.val_fraction", 2),
    ("students", []),
    ("students.0.learning_rte", 1e-4),
    ("students.0.epochs", 0),
    ("students.0.method.kind", "lra"),
    ("students.0.method", {"virtual_tokens": 8}),
    ("students.0.objective.kind", "mse"),
    ("teacher.engine", {"base_urls": ["http://a/v1"], "model": "m"}),
    ("judge.llm", "gpt"),
]


@pytest.mark.parametrize(("place", "value"), BROKEN, ids=[str(case) for case in BROKEN])
def test_broken_settings_are_marked(
    place: str, value: Any, validators: dict[SchemaKind, Validator]
) -> None:
    values = changed(place, value)
    assert not validators["settings"].is_valid(values)
    with pytest.raises(UnpromptedError):
        validated(Config, values, "t.yaml")


def test_a_whole_file_is_valid(validators: dict[SchemaKind, Validator]) -> None:
    """`method: {rank: 8}` means lora, as in the program."""
    assert validators["settings"].is_valid(SETTINGS)
    validated(Config, SETTINGS, "t.yaml")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("data.train.kind", None),  # a field map makes a table
        ("data.train", {"path": "logs.jsonl"}),
        ("data.train", "logs.jsonl"),  # as `init` writes it
        ("data.val", "val.csv"),
        ("report_to", "wandb"),
        ("report_to", ["tensorboard", {"kind": "wandb", "mode": "online"}]),
        ("report_to", {"kind": "mlflow"}),
        ("report_to", "none"),
    ],
    ids=str,
)
def test_short_forms_are_valid(
    place: str, value: Any, validators: dict[SchemaKind, Validator]
) -> None:
    """What the program takes, an editor must not mark."""
    values = changed(place, value)
    validated(Config, values, "t.yaml")
    assert list(validators["settings"].iter_errors(values)) == []


@pytest.mark.parametrize(
    ("values", "valid"),
    [
        ({"seed": 1}, True),
        ({"data": {"footer": "x"}}, True),
        ({"teacher": {"engine": {"workers": 2}}}, True),
        ({"prompt": {"rule": "r.yaml"}}, False),
        ({"students": [{"epochs": 1}]}, False),  # a list is replaced as a whole
        ({"nmae": "t"}, False),
    ],
)
def test_a_file_that_extends_another_is_a_part(
    values: dict[str, Any], valid: bool, validators: dict[SchemaKind, Validator]
) -> None:
    assert validators["settings"].is_valid({"extends": "demo.yaml", **values}) == valid
    assert not validators["settings"].is_valid(values)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "A b"},
        {"source": ""},
        {"severity": "maybe"},
        {"applies": {"field": "labels"}},
        {"applies": {"code": [{"field": "label", "matches": "x"}]}},
        {"check": {"type": "startswith", "text": "x"}},
        {"check": {"text": "x"}},
        {"check": {"type": "json", "text": "x"}},
        {"check": {"type": "llm", "pass": "x"}},
        {"convers": True},
    ],
    ids=str,
)
def test_broken_rules_are_marked(
    change: dict[str, Any], validators: dict[SchemaKind, Validator]
) -> None:
    file = {"version": 1, "prompt_sha256": "0" * 64, "rules": [RULE]}
    assert validators["rules"].is_valid(file)
    broken = {**file, "rules": [{**RULE, **change}]}
    assert not validators["rules"].is_valid(broken)
    with pytest.raises(UnpromptedError):
        validated(RuleFile, broken, "rules.yaml")


@pytest.mark.parametrize("kind", SCHEMA_KINDS)
def test_the_copies_in_docs_are_current(kind: SchemaKind) -> None:
    """`python -m prompts.editor_schemas` writes them."""
    path = ROOT / "docs" / "schemas" / f"{kind}.schema.json"
    assert path.read_text("utf-8") == schema_text(kind)


def test_schemas_beside_the_users_files(tmp_path: Path) -> None:
    paths = write_schemas(tmp_path / "schemas")
    assert {kind: path.read_text("utf-8") for kind, path in paths.items()} == {
        kind: schema_text(kind) for kind in SCHEMA_KINDS
    }
    line = schema_line("schemas/rules.schema.json")
    assert line == "# yaml-language-server: $schema=schemas/rules.schema.json"


def test_comments_at_fields_are_hints() -> None:
    """Beside a field, above it, and of an inherited one."""
    student = file_schema("settings")["$defs"]["StudentSettings"]["properties"]
    assert student["batch_size"]["description"] == (
        "rows per optimiser step, each with all its selected answers"
    )
    assert student["averaging"]["description"].startswith("half-life of an exponential average")
    assert "JSON fields that are set last" in field_comments(ServerSettings)["extra_body"]
