"""What every record on disk has in common, and the hash that keys one."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of every record on disk: immutable, closed to unknown keys, validated when read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def digest(value: Any) -> str:
    """Hex SHA-256 of a JSON-able value, the same for equal values whatever their key order."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def digest_each(values: Iterable[Any]) -> str:
    """The digest of the list of these values, which is never held."""
    found = hashlib.sha256(b"[")
    for at, value in enumerate(values):
        found.update(b"," * (at > 0) + _canonical(value))
    found.update(b"]")
    return found.hexdigest()


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
