"""Requests and replies of models in logs: what was sent → turns, what came back → turns.

Knows the shapes of OpenAI (completions, chat, Responses), Anthropic and LangChain, and plain texts.
"""

import re
from collections.abc import Mapping
from typing import Any

from data.readers.cells import Malformed, shown_keys
from data.readers.conversation import (
    TOOL_CALLS,
    ChatTurn,
    Conversation,
    Unsupported,
    is_message,
    is_messages,
    message_turns,
    structured,
    system_text,
)
from data.readers.log_columns import CONTEXT_NAMES, QUESTION_NAMES, named_column
from data.readers.passages import cell_contexts
from data.rows import Context

_SYSTEM_KEYS = ("system", "instructions", "system_prompt", "system_instruction")
_REQUEST_KEYS = (
    "messages",
    "chat_history",
    "input",
    "inputs",
    "prompt",
    "body",
    "request",
    "kwargs",
)
_REPLY_KEYS = ("message", "output", "outputs", "response", "body", "data", "result", "generation")
_TEXT_KEYS = ("output_text", "text", "content", "answer", "completion", "generated_text", "reply")
_CHOICE_KEYS = ("choices", "generations", "candidates")
_CALL_ITEMS = ("function_call", "tool_call", "computer_call", "custom_tool_call")
_CUT_MESSAGES = re.compile(r'\s*\[?\s*\{\s*"(?:role|parts|messages|choices)"\s*:')
_MAX_DEPTH = 6  # of wrappers around the messages


def call(
    request: Any, reply: Any, contexts: tuple[Context, ...] = (), system: Any = None
) -> Conversation:
    """The conversation of one request and its reply. Raises Malformed."""
    turns = request_turns(request)
    if system is not None and not any(turn.role == "system" for turn in turns[:1]):
        turns = (*_system_turn(system), *turns)
    turns = (*turns, *reply_turns(reply))
    return Conversation(turns, contexts or request_contexts(request), is_call=True)


def request_turns(value: Any, depth: int = 0) -> tuple[ChatTurn, ...]:
    """The turns of a request: messages, an object that holds them, or the user's text."""
    parsed = structured(value)
    if is_messages(parsed):
        return message_turns(parsed)
    if isinstance(parsed, list):
        return _listed(parsed, value, depth)
    if isinstance(parsed, dict) and depth < _MAX_DEPTH:
        return _object_turns(parsed, value, depth)
    if isinstance(value, str) and value.strip():
        _check_whole(value, "request")
        return (ChatTurn("user", value),)
    raise Malformed(f"request: expected messages or text, found {_kind(value)}")


def _check_whole(text: str, name: str) -> None:
    """Raises Malformed for messages as JSON that a tool has cut off: they are no question."""
    if _CUT_MESSAGES.match(text) and isinstance(structured(text), str):
        raise Malformed(f"{name}: messages that do not parse as JSON; they may have been cut off")


def _listed(parsed: list[Any], value: Any, depth: int) -> tuple[ChatTurn, ...]:
    if len(parsed) == 1 and isinstance(parsed[0], list | str):  # LangChain's batch of one
        return request_turns(parsed[0], depth + 1)
    if parsed and all(isinstance(part, list) and len(part) == 2 for part in parsed):
        return message_turns(parsed)
    if isinstance(value, str):
        return (ChatTurn("user", value),)  # a question that is a list as text
    raise Malformed(f"request: expected messages, found a list of {len(parsed)} other values")


def _object_turns(parsed: Mapping[str, Any], value: Any, depth: int) -> tuple[ChatTurn, ...]:
    if is_message(parsed):
        return message_turns([parsed])
    system = next((parsed[key] for key in _SYSTEM_KEYS if parsed.get(key)), None)
    column = named_column(parsed, QUESTION_NAMES)
    if column is not None and isinstance(parsed[column], str) and "messages" not in parsed:
        turns = request_turns(parsed[column], depth + 1)
    else:
        inner = next((parsed[key] for key in _REQUEST_KEYS if parsed.get(key)), None)
        if inner is None and isinstance(value, str):
            return (ChatTurn("user", value),)  # a question that is JSON
        if inner is None:
            raise Malformed(f"request: no messages among the keys {shown_keys(parsed)}")
        turns = request_turns(inner, depth + 1)
    is_system = bool(turns) and turns[0].role == "system"
    return turns if system is None or is_system else (*_system_turn(system), *turns)


def _system_turn(value: Any) -> tuple[ChatTurn, ...]:
    text = system_text(value)
    return (ChatTurn("system", text),) if text.strip() else ()


def request_contexts(value: Any) -> tuple[Context, ...]:
    """The passages that stand beside the question in a request; none in most."""
    parsed = structured(value)
    column = named_column(parsed, CONTEXT_NAMES) if isinstance(parsed, dict) else None
    if column is None or "messages" in parsed:
        return ()
    return cell_contexts(parsed[column], column)


def reply_turns(value: Any, depth: int = 0) -> tuple[ChatTurn, ...]:
    """The answer of a reply, of which the first choice counts; nothing where there is none."""
    parsed = structured(value)
    if parsed is None or parsed in ("", [], {}):
        return ()
    if isinstance(value, str) and not _is_reply(parsed):
        _check_whole(value, "reply")
        return (ChatTurn("assistant", value),)
    if isinstance(parsed, list):
        return _first_answer(parsed, depth)
    if isinstance(parsed, dict) and depth < _MAX_DEPTH:
        return _object_reply(parsed, depth)
    raise Malformed(f"reply: expected a message or text, found {_kind(value)}")


def _is_reply(parsed: Any) -> bool:
    """Whether JSON in a text is a reply, and not an answer that is JSON."""
    if isinstance(parsed, dict):
        return is_message(parsed) or "choices" in parsed or "generations" in parsed
    return is_messages(parsed)


def _first_answer(parsed: list[Any], depth: int) -> tuple[ChatTurn, ...]:
    if any(isinstance(item, dict) and item.get("type") in _CALL_ITEMS for item in parsed):
        return (ChatTurn("assistant", "", TOOL_CALLS),)
    if is_messages(parsed):
        answers = [turn for turn in message_turns(parsed) if turn.role != "user"]
        return tuple(answers[:1])
    if isinstance(parsed[0], dict | list | str):
        return reply_turns(parsed[0], depth + 1)
    raise Malformed(f"reply: expected a message or text, found {_kind(parsed[0])}")


def _object_reply(parsed: Mapping[str, Any], depth: int) -> tuple[ChatTurn, ...]:
    choices = next((parsed[key] for key in _CHOICE_KEYS if isinstance(parsed.get(key), list)), None)
    if choices is not None:
        return _first_answer(choices, depth + 1) if choices else ()
    if is_messages(parsed.get("messages")):  # a graph returns the whole conversation
        last = message_turns(parsed["messages"])[-1]
        return (last,) if last.role in ("assistant", "tool") else ()
    if is_message(parsed):
        turn = message_turns([parsed])[0]
        return (turn._replace(role="assistant") if turn.role == "user" else turn,)
    inner = _inner_reply(parsed)
    if inner is not None:
        return reply_turns(inner, depth + 1)
    if parsed.get("error"):
        raise Unsupported("the request failed, so that there is no answer")
    raise Malformed(f"reply: no answer among the keys {shown_keys(parsed)}")


def _inner_reply(parsed: Mapping[str, Any]) -> Any:
    """The value of a reply that holds the answer: an object or a list first, then a text."""
    if isinstance(parsed.get("content"), list):  # Anthropic's, without a role
        return {"role": "assistant", "content": parsed["content"]}
    for key in _REPLY_KEYS:
        if isinstance(structured(parsed.get(key)), dict | list) and parsed[key]:
            return parsed[key]
    keys = (*_TEXT_KEYS, *_REPLY_KEYS)
    return next((parsed[key] for key in keys if isinstance(parsed.get(key), str)), None)


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
