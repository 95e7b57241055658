"""Hides what an address may hold of a secret: user, password and query."""

import re
from typing import Any

_USER = re.compile(r"(?<=://)[^\s'\"]*@")
_QUERY = re.compile(r"(://[^\s'\"?]*)\?[^\s'\"]*")


def masked_urls(text: str) -> str:
    """The text with `***` in place of the user and the query of each address."""
    return _QUERY.sub(r"\1?***", _USER.sub("***@", text)) if "://" in text else text


def masked_settings(value: Any) -> Any:
    """Settings as they are shown in an error line: an address with a user or query is `***`."""
    if isinstance(value, dict):
        return {key: masked_settings(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [masked_settings(part) for part in value]
    if isinstance(value, str) and "://" in value and ("@" in value or "?" in value):
        return "***"
    return value
