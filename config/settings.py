"""What every settings class shares: immutable, closed to unknown keys, no NaN."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Base of every settings class."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def usual_kind(kind: str) -> BeforeValidator:
    """For a union told apart by `kind`: what is meant where the settings do not say it."""

    def filled(value: Any) -> Any:
        return {"kind": kind, **value} if isinstance(value, dict) else value

    return BeforeValidator(filled)
