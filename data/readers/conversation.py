"""A logged conversation of any tool in one shape, and the messages that tools write.

Messages come as OpenAI, Anthropic, LangChain, OpenTelemetry, OpenInference and ShareGPT write them.
What is not text (tool calls, images, audio, files) becomes a turn with a problem, never a gap.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from data.readers.cells import Malformed, shown_keys
from data.readers.nested_text import nested_value
from data.rows import Context

ChatRole = Literal["system", "user", "assistant", "tool"]
TOOL_CALLS = "tool calls, which a row cannot show"

_ROLES: dict[str, ChatRole] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(
        ("assistant", "ai", "gpt", "chatgpt", "bing", "bard", "model", "bot"), "assistant"
    ),
    **dict.fromkeys(("tool", "function", "observation", "function_call", "tool_call"), "tool"),
    **dict.fromkeys(("tool_response", "function_response", "function_call_output"), "tool"),
}
_TEXT_PARTS = ("text", "input_text", "output_text", "message_content")
_HIDDEN_PARTS = ("reasoning", "thinking", "redacted_thinking", "summary_text")
_TOOL_PARTS = ("tool_call", "tool_use", "tool_result", "tool_call_response", "server_tool_use")
_CALL_KEYS = ("tool_calls", "function_call", "message.tool_calls", "message.function_call_name")
_TEXT_KEYS = ("text", "content", "value", "refusal")
_MESSAGE_KEYS = frozenset(("content", "contents", "role", "tool_calls"))


class Unsupported(Malformed):
    """The record is well formed, but holds what no row can show: tool calls, images, audio."""


class NotACall(Malformed):
    """The record is no call of a model: another span of a trace."""


class ChatTurn(NamedTuple):
    """One message."""

    role: ChatRole
    text: str
    problem: str | None = None  # why a row cannot show it
    is_example: bool = True  # False: fine-tuning data give it the weight 0


class Conversation(NamedTuple):
    """The messages of one record."""

    turns: tuple[ChatTurn, ...]
    contexts: tuple[Context, ...] = ()  # retrieved for the last question
    is_call: bool = False  # one request: its earlier turns are calls of their own
    rejected: str | None = None  # an answer that people liked less


def structured(value: Any) -> Any:
    """The list or object that a text writes; every other value as it is."""
    nested = nested_value(value) if isinstance(value, str) else None
    return value if nested is None else nested


def is_message(value: Any) -> bool:
    """Whether a value is one message, in any of the spellings."""
    return isinstance(value, dict) and _role_name(_unwrapped(value)) is not None


def is_messages(value: Any) -> bool:
    """Whether a value is a list of messages; OpenAI's Responses have items without a role."""
    return isinstance(value, list) and bool(value) and any(map(is_message, value))


def message_turns(messages: Iterable[Any]) -> tuple[ChatTurn, ...]:
    """The turns of a list of messages, at least one.

    Raises Malformed naming the message that is none, or when all are hidden reasoning.
    """
    turns = []
    for number, message in enumerate(messages, 1):
        turn = _turn(message, f"message {number}")
        if turn is not None:
            turns.append(turn)
    if not turns:
        raise Malformed("no message with text")
    return tuple(turns)


def system_text(value: Any) -> str:
    """The text of system instructions: a text, a part, or a list of parts or messages."""
    value = structured(value)
    if is_messages(value):
        return "\n".join(turn.text for turn in message_turns(value))
    text, problem = _content(value, "system instructions")
    if problem is not None:
        raise Unsupported(f"system instructions: {problem}")
    return text


def _turn(message: Any, name: str) -> ChatTurn | None:
    if isinstance(message, list) and len(message) == 2:  # LangChain's pairs
        message = {"role": message[0], "content": message[1]}
    if not isinstance(message, dict):
        raise Malformed(f"{name}: expected an object, found {type(message).__name__}")
    body = _unwrapped(message)
    role_name = _role_name(body)
    if role_name is None:
        kind = body.get("type")
        if kind in _HIDDEN_PARTS:
            return None
        raise Malformed(f"{name}: no role among the keys {shown_keys(body)}")
    role = _ROLES[role_name]
    text, problem = _content(_body_content(body), name)
    if role == "tool" or any(body.get(key) not in (None, "", [], {}) for key in _CALL_KEYS):
        problem = TOOL_CALLS
    return ChatTurn(role, text, problem, body.get("weight") not in (0, 0.0) or role != "assistant")


def _unwrapped(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object with role and content: LangChain and OpenInference wrap it."""
    kwargs, identity = message.get("kwargs"), message.get("id")
    if isinstance(kwargs, dict) and isinstance(identity, list) and identity:
        name = str(identity[-1]).removesuffix("Chunk").removesuffix("Message").lower()
        return {**kwargs, "role": kwargs.get("role") or name}
    for key in ("message", "data"):
        inner = message.get(key)
        if isinstance(inner, dict) and (
            "content" in inner or "role" in inner or "contents" in inner
        ):
            return {**inner, "role": inner.get("role") or message.get("type")}
    return message


def _role_name(body: Mapping[str, Any]) -> str | None:
    names = (body.get(key) for key in ("role", "from", "message.role", "type"))
    known = (name.lower() for name in names if isinstance(name, str) and name.lower() in _ROLES)
    return next(known, None)


def _body_content(body: Mapping[str, Any]) -> Any:
    keys = ("parts", "content", "value", "message.content", "contents", "message.contents", "text")
    return next((body[key] for key in keys if body.get(key) is not None), None)


def _content(value: Any, name: str) -> tuple[str, str | None]:
    """The text of a message's content, and why it is not all text."""
    if value is None or isinstance(value, str):
        return value or "", None
    parts: Sequence[Any] = value if isinstance(value, list | tuple) else (value,)
    texts, problem = list[str](), None
    for part in parts:
        text, why = _part(part, name)
        problem = problem or why
        if text is not None:
            texts.append(text)
    return "\n".join(texts), problem


def _part(part: Any, name: str) -> tuple[str | None, str | None]:
    """The text of one part of a message, and why it is none; neither for hidden reasoning."""
    if isinstance(part, str):
        return part, None
    if not isinstance(part, dict):
        raise Malformed(f"{name}: expected text, found {type(part).__name__}")
    if isinstance(part.get("message_content"), dict):
        part = part["message_content"]
    part = {key.removeprefix("message_content."): value for key, value in part.items()}
    kind = part.get("type")
    if kind in _HIDDEN_PARTS:
        return None, None
    text = next((part[key] for key in _TEXT_KEYS if isinstance(part.get(key), str)), None)
    if text is not None and kind in (None, "refusal", *_TEXT_PARTS):
        return text, None
    if not isinstance(kind, str):
        raise Malformed(f"{name}: no text among the keys {shown_keys(part)}")
    is_tool = kind in _TOOL_PARTS
    return None, TOOL_CALLS if is_tool else f"{kind[:40]} parts, which a row cannot show"
