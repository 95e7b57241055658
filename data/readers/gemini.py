"""Gemini's `contents`: requests with their responses, and tuning data, in either spelling of keys.

The REST interface writes `systemInstruction` and `functionCall`, google-genai `system_instruction`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data.readers.cells import Malformed, shown_keys
from data.readers.conversation import (
    ChatTurn,
    Conversation,
    Unsupported,
    message_turns,
    structured,
)
from data.readers.payloads import reply_turns

_REQUESTS = ("request", "body", "input", "kwargs")  # objects around the contents
_REPLIES = ("response", "output", "completion", "answer")
_SETTINGS = ("config", "generation_config", "generationConfig")  # may hold the instructions
_INSTRUCTIONS = ("systemInstruction", "system_instruction")
_FEEDBACK = frozenset(("promptFeedback", "prompt_feedback"))
_KINDS = {
    **dict.fromkeys(("functionCall", "function_call", "toolCall", "tool_call"), "tool_call"),
    **dict.fromkeys(("functionResponse", "function_response"), "tool_result"),
    **dict.fromkeys(("executableCode", "executable_code"), "tool_call"),
    **dict.fromkeys(("codeExecutionResult", "code_execution_result"), "tool_result"),
    **dict.fromkeys(("inlineData", "inline_data", "fileData", "file_data"), "image and file"),
}


def is_gemini(values: Mapping[str, Any]) -> bool:
    """Whether a record is a request with `contents`, or tuning data."""
    request = _request(values)
    if request is None:
        return False
    contents = structured(request["contents"])
    items = contents if isinstance(contents, list) else [contents]
    has_parts = any(isinstance(item, dict) and "parts" in item for item in items)
    return has_parts or any(_candidates(values.get(key)) is not None for key in _REPLIES)


def gemini(values: Mapping[str, Any]) -> Iterator[Conversation]:
    """The conversation of a record that `is_gemini`. Raises Malformed."""
    request = _request(values)
    assert request is not None
    places = (values, request, *(structured(request.get(key)) for key in _SETTINGS))
    systems = (
        place[key]
        for place in places
        for key in _INSTRUCTIONS
        if isinstance(place, Mapping) and place.get(key)
    )
    messages = _messages(request["contents"])
    system = next(systems, None)
    if system is not None:
        parts = [part for message in _messages(system) for part in message["content"]]
        messages.insert(0, {"role": "system", "content": parts})
    reply = next((values[key] for key in _REPLIES if key in values), None)
    if values.get("error") or (values.get("status") and reply is None):
        raise Unsupported("the request failed, so that there is no answer")
    if reply is None:
        yield Conversation(message_turns(messages))
        return
    yield Conversation((*message_turns(messages), *_reply(reply)), is_call=True)


def _request(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The object that holds the contents."""
    for place in (values, *(structured(values.get(key)) for key in _REQUESTS)):
        if isinstance(place, Mapping) and place.get("contents"):
            return place
    return None


def _candidates(reply: Any) -> Sequence[Any] | None:
    """The candidates of a response; of a streamed one the first ones of its chunks, joined."""
    reply = structured(reply)
    if isinstance(reply, Mapping):
        candidates = reply.get("candidates")
        return candidates if isinstance(candidates, list) else None
    if isinstance(reply, list) and reply and all(map(_candidates, reply)):
        parts = [part for chunk in reply for part in _parts(_candidates(chunk))]
        return [{"content": {"parts": parts}}]
    return None


def _reply(reply: Any) -> tuple[ChatTurn, ...]:
    """The answer of a response; the first candidate counts."""
    candidates = _candidates(reply)
    if candidates is None:
        parsed = structured(reply)
        if isinstance(parsed, Mapping) and not _FEEDBACK.isdisjoint(parsed):
            raise Unsupported("the request was blocked, so that there is no answer")
        return reply_turns(reply)
    content = _content(_parts(candidates))
    return message_turns([{"role": "assistant", "content": content}]) if content else ()


def _parts(candidates: Sequence[Any] | None) -> list[Any]:
    """The parts of the first candidate."""
    first = candidates[0] if candidates else None
    content = first.get("content") if isinstance(first, Mapping) else None
    parts = content.get("parts") if isinstance(content, Mapping) else None
    return parts if isinstance(parts, list) else []


def _messages(contents: Any) -> list[dict[str, Any]]:
    """Contents as messages: a text, one content, or a list of contents, parts and texts."""
    contents = structured(contents)
    items = contents if isinstance(contents, list) else [contents]
    messages = []
    for number, item in enumerate(items, 1):
        if isinstance(item, Mapping) and isinstance(item.get("parts"), list):
            content = _content(item["parts"])
            messages.append({"role": item.get("role") or "user", "content": content})
        elif isinstance(item, str | Mapping):
            messages.append({"role": "user", "content": _content([item])})
        else:
            raise Malformed(f"contents {number}: expected an object, found {type(item).__name__}")
    return messages


def _content(parts: Sequence[Any]) -> list[dict[str, Any]]:
    """Parts as OpenAI writes them. Neighbouring texts are one, as in google-genai's `text`."""
    content = list[dict[str, Any]]()
    for part in map(_part, parts):
        if content and part["type"] == content[-1]["type"] == "text":
            content[-1] = {"type": "text", "text": content[-1]["text"] + part["text"]}
        elif part["type"] != "thinking":
            content.append(part)
    return content


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        raise Malformed(f"contents: expected an object, found {type(part).__name__}")
    kind = next((kind for key, kind in _KINDS.items() if part.get(key)), None)
    if kind is not None:
        return {"type": kind}
    if part.get("thought") is True:
        return {"type": "thinking"}
    if isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    raise Malformed(f"contents: no text among the keys {shown_keys(part)}")
