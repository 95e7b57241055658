"""The base class of all settings: immutable, no unknown keys, no NaN."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of every settings class."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def usual_kind(kind: str) -> BeforeValidator:
    """Makes `kind` the default of a union discriminated by `kind`."""

    def with_kind(value: Any) -> Any:
        return {"kind": kind, **value} if isinstance(value, dict) else value

    with_kind.usual_kinds = (kind,)  # type: ignore[attr-defined]  # for the schemas of editors
    return BeforeValidator(with_kind)


class YesNo(str):
    """yes, no, on or off without quotes in a YAML file: text, but where true or false is meant.

    YAML 1.1 reads them as true and false, YAML 1.2 as text. An id or a label means the text.
    """


def _switches(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _switches(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_switches(part) for part in value]
    return value.casefold() in ("yes", "on") if isinstance(value, YesNo) else value


# of open fields, such as a template's arguments: yes, no, on and off mean true and false there
AsSwitches = BeforeValidator(_switches)
