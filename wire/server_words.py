"""Quotes a server in an error line: its message, keys masked, in one short line."""

import json
import re
from typing import Any

_SHOWN = 240  # characters of a quote
_KEY_PART = 6  # characters of a key that are not shown anywhere
_KEYS = re.compile(
    r"(?i)\b(?:bearer|basic)\s+(?=\S*\d)[\w.~+/=-]{6,}"
    r"|\b(?:sk|pk|rk|gsk|xai|hf|ghp|nvapi|pplx)[-_][\w-]{6,}"
    r"|\bAIza[\w-]{10,}|\beyJ[\w-]{10,}(?:\.[\w-]+)*|(?<=://)[^/\s@]+(?=@)"
)
_WORDS = (
    *("message", "detail", "error_description", "error", "errors", "error_msg", "msg"),
    *("title", "reason"),
)


def quoted(text: str, secret: str = "") -> str:
    """The beginning of a text in one line, without control characters and keys.

    `secret` is a key that must not be shown, nor a part of it.
    """
    clean = "".join(char if char.isprintable() else " " for char in text[: 20 * _SHOWN])
    line = _KEYS.sub("***", " ".join(_masked(clean, secret).split()))
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def error_words(body: str, secret: str = "") -> str:
    """The message in the body of an error, in any of the usual forms; otherwise its beginning."""
    try:
        message = _message(json.loads(body))
    except (ValueError, RecursionError):
        message = ""
    return quoted(message or body, secret)


def _message(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # Gemini's errors, and FastAPI's
        return _message(value[0]) if value else ""
    if not isinstance(value, dict):
        return ""
    message = next(filter(None, (_message(value.get(name)) for name in _WORDS)), "")
    raw = value.get("metadata")  # OpenRouter: the provider's own words
    provider = _message({"message": raw.get("raw")}) if isinstance(raw, dict) else ""
    return f"{message} ({provider})" if message and provider else message


def _masked(text: str, secret: str) -> str:
    """The text without any six characters that follow each other in the secret."""
    if len(secret) < _KEY_PART:
        return text.replace(secret, "***") if secret else text
    pieces = {secret[start : start + _KEY_PART] for start in range(len(secret) - _KEY_PART + 1)}
    hidden = [False] * len(text)
    for start in range(len(text) - _KEY_PART + 1):
        if text[start : start + _KEY_PART] in pieces:
            hidden[start : start + _KEY_PART] = [True] * _KEY_PART
    shown = "".join(
        "\0" if is_hidden else char for char, is_hidden in zip(text, hidden, strict=True)
    )
    return re.sub("\0+", "***", shown)
