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

    with_kind.usual_kind = kind  # type: ignore[attr-defined]  # for the schemas of editors
    return BeforeValidator(with_kind)
