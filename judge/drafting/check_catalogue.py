"""The kinds of checks as a model is told of them: read off the rule file's own models.

So a new kind, or a new parameter of one, needs no second list here.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from config.settings import Settings
from prompts.check_settings import CodeCheck, LlmCheck
from prompts.rules import Rule

_LEFT_OUT = ("type", "examples")  # worked examples are a person's to choose
_OF_SCHEMA = ("type", "enum", "items", "anyOf")  # what strict servers take of a JSON schema


class CheckKind(NamedTuple):
    """Checks that share their parameters."""

    types: tuple[str, ...]
    about: str
    parameters: tuple[str, ...]  # "name (required)", or the name alone


def kinds() -> Iterator[CheckKind]:
    """All kinds of checks, those by code first."""
    for model in _models():
        about = " ".join((model.__doc__ or "").split("\n\n")[0].split())
        names = tuple(
            f"{field.alias or name} (required)" if field.is_required() else field.alias or name
            for name, field in model.model_fields.items()
            if name not in _LEFT_OUT
        )
        yield CheckKind(_types(model), about, names)


def reply_schema() -> dict[str, Any]:
    """The JSON schema of a reply: every key is given, null where it does not belong.

    Servers that hold a model to a schema strictly want it so.
    """
    parameters: dict[str, Any] = {}
    for model in _models():
        properties = model.model_json_schema(by_alias=True)["properties"]
        parameters |= {
            name: {"anyOf": [_plain(schema), {"type": "null"}]}
            for name, schema in properties.items()
            if name not in _LEFT_OUT
        }
    types = [name for model in _models() for name in _types(model)]
    check = _object({"type": {"type": "string", "enum": types}, **parameters})
    text = {"type": "string"}
    severity = {"type": "string", "enum": list(get_args(Rule.model_fields["severity"].annotation))}
    rule = _object(
        {"id": text, "source": text, "severity": severity, "applies": text, "check": check}
    )
    return _object({"rules": {"type": "array", "items": rule}})


def _models() -> tuple[type[Settings], ...]:
    return (*get_args(CodeCheck), LlmCheck)


def _types(model: type[Settings]) -> tuple[str, ...]:
    return get_args(model.model_fields["type"].annotation)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without titles, defaults and bounds, which not every server knows."""
    return {key: value for key, value in schema.items() if key in _OF_SCHEMA}
