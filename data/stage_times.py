"""The record of timings.json: what the result of each stage cost. The pipeline writes it."""

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from data.records import Record


class StageTimes(Record):
    """Seconds by stage. In files of before this record the stages are the keys of the file."""

    seconds: dict[str, float]
    # stages whose last run found work of earlier runs; their seconds are those of the earlier ones
    reused: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_flat(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "seconds" not in values:
            return {"seconds": dict(values)}
        return values
