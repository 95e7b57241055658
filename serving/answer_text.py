"""Reads the text of an answer out of a reply, whole or streamed."""

import json
from typing import Any


def answer_of(body: bytes) -> str | None:
    """The text of a chat completion's first choice; None where the body holds none."""
    return _text(_parsed(body), "message")


class StreamedAnswer:
    """Collects the text of a stream of events, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._rest = b""  # of a line that is not whole yet
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """What came so far."""
        return "".join(self._parts)

    def feed(self, piece: bytes) -> None:
        """Reads the next bytes of the stream."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._parts.append(_text(_parsed(line[5:]), "delta") or "")


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # `[DONE]`, or no JSON at all
        return None


def _text(reply: Any, field: str) -> str | None:
    try:
        content = reply["choices"][0][field]["content"]
    except (LookupError, TypeError):
        return None
    return content if isinstance(content, str) else None
