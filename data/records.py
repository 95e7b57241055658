"""The base class of every record on disk, and the hash that keys it."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of every record on disk: immutable, without unknown keys, validated when read."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def digest(value: Any) -> str:
    """Hex SHA-256 of a JSON-able value, independent of key order."""
    return hashlib.sha256(_canonical(value)).hexdigest()


def digest_list(values: Iterable[Any]) -> str:
    """The digest of the list of these values, computed without holding it in memory."""
    sha256 = hashlib.sha256(b"[")
    for index, value in enumerate(values):
        sha256.update(b"," * (index > 0) + _canonical(value))
    sha256.update(b"]")
    return sha256.hexdigest()


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
