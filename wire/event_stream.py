"""Puts a chat completion together from server-sent events, for servers that stream unasked."""

import json
from collections.abc import Iterator
from typing import Any

_MESSAGE = ("content", "reasoning_content", "reasoning", "refusal")
_STARTS = ("data:", "event:", "id:", "retry:", ":")


def is_event_stream(text: str) -> bool:
    """Whether a body consists of server-sent events."""
    return text.startswith(_STARTS)


def assembled_completion(text: str) -> dict[str, Any] | None:
    """The chat completion that the events add up to, or the first error among them.

    None when the stream ends before the reply does. Raises ValueError for an event that is no JSON.
    """
    completion: dict[str, Any] = {}
    choice: dict[str, Any] = {}
    pieces: dict[str, list[Any]] = {}  # of the message, by field
    is_done = False
    for event in _events(text):
        if event is None:
            is_done = True
        elif event.get("error"):
            return event
        else:
            completion |= {key: value for key, value in event.items() if value is not None}
            for chunk in event.get("choices") or ():
                if chunk.get("index") in (None, 0):
                    _add(chunk, choice, pieces)
    if not is_done and not choice.get("finish_reason"):
        return None
    message = {name: _joined(values) for name, values in pieces.items()}
    return {**completion, "choices": [{"message": message, **choice, "index": 0}]}


def _events(text: str) -> Iterator[dict[str, Any] | None]:
    """The data of each event; None for the end mark."""
    for line in text.split("\n"):  # not splitlines: a JSON text may hold other line ends
        name, _, data = line.partition(":")
        if name.strip() != "data" or not data.strip():
            continue
        value = None if data.strip() == "[DONE]" else json.loads(data)
        if value is not None and not isinstance(value, dict):
            raise ValueError("an event is no object")
        yield value


def _add(chunk: dict[str, Any], choice: dict[str, Any], pieces: dict[str, list[Any]]) -> None:
    for name in _MESSAGE:
        if (piece := (chunk.get("delta") or {}).get(name)) is not None:
            pieces.setdefault(name, []).append(piece)
    for name in ("message", "finish_reason", "error"):
        if chunk.get(name):
            choice[name] = chunk[name]
    if chunk.get("token_ids"):
        choice.setdefault("token_ids", []).extend(chunk["token_ids"])
    if tokens := (chunk.get("logprobs") or {}).get("content"):
        choice.setdefault("logprobs", {"content": []})["content"].extend(tokens)


def _joined(values: list[Any]) -> Any:
    """A text, or the parts of a content that is a list."""
    if all(isinstance(value, str) for value in values):
        return "".join(values)
    return [part for value in values for part in (value if isinstance(value, list) else [value])]
