"""The check kinds as a drafting model is told of them, derived from the models of the rule file.

A new kind or parameter needs no second list here.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from config.settings import Settings
from judge.llm.request import object_schema
from prompts.check_settings import CodeCheck, LlmCheck
from prompts.rules import Rule

_MODELS: tuple[type[Settings], ...] = (*get_args(CodeCheck), LlmCheck)
_OMITTED = ("type", "examples")  # people choose the worked examples
# Of a JSON schema: some servers reject titles, defaults and bounds.
_SCHEMA_KEYS = ("type", "enum", "items", "anyOf")


class CheckKind(NamedTuple):
    """Check types with the same parameters."""

    types: tuple[str, ...]
    about: str
    parameters: tuple[str, ...]  # "name (required)", or the name alone


def check_kinds() -> Iterator[CheckKind]:
    """All check kinds, code checks first."""
    for model in _MODELS:
        about = " ".join((model.__doc__ or "").split("\n\n")[0].split())
        names = tuple(
            f"{field.alias or name} (required)" if field.is_required() else field.alias or name
            for name, field in model.model_fields.items()
            if name not in _OMITTED
        )
        yield CheckKind(_types(model), about, names)


def rules_schema() -> dict[str, Any]:
    """The JSON schema of a reply: every key is required, and null where it does not belong.

    Servers with strict structured output demand this.
    """
    parameters: dict[str, Any] = {}
    for model in _MODELS:
        for name, schema in model.model_json_schema(by_alias=True)["properties"].items():
            if name not in _OMITTED:
                plain = {key: value for key, value in schema.items() if key in _SCHEMA_KEYS}
                parameters[name] = {"anyOf": [plain, {"type": "null"}]}
    types = [name for model in _MODELS for name in _types(model)]
    check = object_schema({"type": {"type": "string", "enum": types}, **parameters})
    text = {"type": "string"}
    severity = {"type": "string", "enum": list(get_args(Rule.model_fields["severity"].annotation))}
    rule = object_schema(
        {"id": text, "source": text, "severity": severity, "applies": text, "check": check}
    )
    return object_schema({"rules": {"type": "array", "items": rule}})


def _types(model: type[Settings]) -> tuple[str, ...]:
    return get_args(model.model_fields["type"].annotation)
