"""Parses the body of a chat completion, as far as this program reads it.

Usual replies are parsed once, by pydantic. Only what that cannot read is looked at again: event
streams, errors in a reply, and what is no chat completion at all.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from wire.error_status import error_status
from wire.event_stream import assembled_completion, is_event_stream
from wire.finish_reason import Ending, ending_of
from wire.server_words import quoted

_MANY = 10**7  # tokens: more fit into no model
_TEXT_TYPES = (None, "text", "output_text")


class TokenLogprobs(NamedTuple):
    """A token of a reply and the most probable ones in its place, itself included."""

    token: str
    top: tuple[tuple[str, float], ...]  # token, log-probability


class Reply(NamedTuple):
    """A server's reply. Check `ending` before reading the text: a cut reply may look whole."""

    text: str
    finish: str  # the server's own word; "": it gives none
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning: str = ""  # the model's thoughts, if there is no text
    tokens: tuple[TokenLogprobs, ...] = ()  # the last ones, if they were asked for

    @property
    def ending(self) -> Ending:
        """How the reply ended."""
        return ending_of(self.finish)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing. Where no reason is stated, the reply's own form must show it:
        an object that closes, a last line that is the verdict.
        """
        return self.ending in ("whole", "unstated")

    @property
    def is_storable(self) -> bool:
        """Whether UTF-8 can encode it. A lone surrogate, half a character, is in no file."""
        try:
            (self.text + self.reasoning + self.finish).encode()
            for token in self.tokens:
                "".join((token.token, *(text for text, _ in token.top))).encode()
        except UnicodeEncodeError:
            return False
        return True


class Unintelligible(Exception):
    """The body is not a chat completion. The message quotes its first characters."""


class ErrorReply(Exception):
    """A server's error, by HTTP status or inside a reply with status 200."""

    def __init__(self, status: int, body: str, inside: bool = True) -> None:
        """`status`: the HTTP status that the error has, or would have."""
        super().__init__(f"error {status} in a reply" if inside else f"HTTP {status}")
        self.status = status
        self.body = body
        self.retry_after_s: float | None = None  # as the server demands


class _Part(BaseModel):
    type: str | None = None
    text: str | None = None
    thinking: Any = None
    refusal: Any = None


class ChatMessage(BaseModel):
    """The model's message."""

    content: str | list[str | _Part] | _Part | None = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None

    @property
    def text(self) -> str:
        """The answer, without reasoning."""
        if isinstance(self.content, str):
            return self.content
        return "".join(
            part if isinstance(part, str) else part.text or ""
            for part in self._parts
            if isinstance(part, str) or part.type in _TEXT_TYPES
        )

    @property
    def thoughts(self) -> str:
        """The reasoning that a server gives beside the answer."""
        parts = [part for part in self._parts if isinstance(part, _Part)]
        in_parts = [part.thinking or part.text for part in parts if part.type not in _TEXT_TYPES]
        return _joined(in_parts) or _joined(self.reasoning_content) or _joined(self.reasoning)

    @property
    def refuses(self) -> bool:
        """Whether the model refuses to answer."""
        if isinstance(self.content, str):  # the usual reply, whose cost counts
            return bool(self.refusal)
        parts = [part for part in self._parts if isinstance(part, _Part)]
        return bool(self.refusal) or any(bool(part.refusal) for part in parts)

    @property
    def _parts(self) -> Sequence[str | _Part]:
        return self.content if isinstance(self.content, list) else [self.content or ""]


class ChatChoice(BaseModel):
    """One of the completions of a request."""

    message: ChatMessage
    finish_reason: Any = None
    index: Any = None
    error: Any = None

    @property
    def finish(self) -> str:
        """The finish reason, as the server writes it; "": none. A refusal is `content_filter`."""
        if self.message.refuses:
            return "content_filter"
        reason = self.finish_reason
        if isinstance(reason, dict):  # SGLang: {"type": "length", "length": 16}
            reason = reason.get("type")
        return "" if reason is None else str(reason)


class ChatCompletion(BaseModel):
    """The fields read of a chat completion; servers add more."""

    choices: tuple[ChatChoice, ...] = ()
    usage: Any = None
    error: Any = None

    def tokens(self, *names: str) -> int:
        """A number of tokens in the usage, by the first of these names; 0: the server counts none.

        Some servers write it as a text or with a fraction. A number that cannot be one counts as
        none: a negative one, NaN, true, or more than any model reads.
        """
        usage = self.usage if isinstance(self.usage, dict) else {}
        count = next((usage[name] for name in names if usage.get(name)), 0)
        if type(count) is int and 0 <= count <= _MANY:
            return count
        if not isinstance(count, int | float | str) or isinstance(count, bool):
            return 0
        try:
            number = float(count)
        except (ValueError, OverflowError):
            return 0
        return round(number) if 0 < number <= _MANY else 0


_C = TypeVar("_C", bound=ChatCompletion)
_Choice = TypeVar("_Choice", bound=ChatChoice)


def parse_completion(raw: bytes, kind: type[_C]) -> _C:
    """A response's body as a `kind` with at least one choice.

    Raises Unintelligible, or ErrorReply for an error in place of a completion.
    """
    try:
        completion = kind.model_validate_json(raw)
    except ValidationError:
        completion = _parse_unusual(raw, kind)
    if not completion.choices:
        _raise_without_choices(raw)
    error = completion.error
    for choice in completion.choices:
        error = error or choice.error
    if error:
        raise ErrorReply(error_status(error), json.dumps({"error": error}))
    return completion


def first_choice(choices: Sequence[_Choice]) -> _Choice:
    """The choice with index 0, wherever it stands: one completion is asked for."""
    if len(choices) == 1:
        return choices[0]
    return next((choice for choice in choices if choice.index in (0, "0")), choices[0])


def read_completion(raw: bytes) -> Reply:
    """The reply in a response's body. Raises as `parse_completion`."""
    return reply_of(parse_completion(raw, ChatCompletion))


def reply_of(completion: ChatCompletion) -> Reply:
    """The reply of a completion, without its tokens."""
    choice = first_choice(completion.choices)
    text = choice.message.text
    return Reply(
        text=text,
        finish=choice.finish,
        prompt_tokens=completion.tokens("prompt_tokens", "input_tokens"),
        completion_tokens=completion.tokens("completion_tokens", "output_tokens"),
        reasoning="" if text.strip() else choice.message.thoughts,
    )


def _parse_unusual(raw: bytes, kind: type[_C]) -> _C:
    text = raw.decode("utf-8-sig", errors="replace").strip()
    value = _value(text)
    if isinstance(value, dict) and value.get("error"):
        raise ErrorReply(error_status(value["error"]), text)
    _complete_filtered(value)
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        problem = f"{place}: {first['msg']}"
    raise Unintelligible(f"the reply is no chat completion ({problem}): {quoted(text)}")


def _complete_filtered(value: Any) -> None:
    """Gives the choices that a filter withheld the message that some servers leave out."""
    choices = value.get("choices") if isinstance(value, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and ending_of(str(choice.get("finish_reason"))) == "filtered":
            choice["message"] = choice.get("message") or {}


def _value(text: str) -> Any:
    """The JSON of a body: an event stream's as one completion."""
    try:
        value = assembled_completion(text) if is_event_stream(text) else json.loads(text)
    except (ValueError, RecursionError, AttributeError, TypeError):
        form = "HTML, as of a proxy or a login page" if text.startswith("<") else "not JSON"
        raise Unintelligible(f"the reply is {form}: {quoted(text) or '(empty)'}") from None
    if value is None and text != "null":
        raise Unintelligible(f"the event stream ends before the reply does: {quoted(text)}")
    return value


def _raise_without_choices(raw: bytes) -> NoReturn:
    text = raw.decode("utf-8-sig", errors="replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict) and (error := value.get("error") or _bare_error(value)):
        raise ErrorReply(error_status(error), text)
    raise Unintelligible(f"the reply holds no choices: {quoted(text)}")


def _bare_error(value: dict[str, Any]) -> Any:
    """An error that a server writes without the key `error`."""
    words = [value.get(name) for name in ("detail", "errors", "error_msg")]
    if isinstance(value.get("message"), str | list):
        words.append(value["message"])
    return value if any(words) and "choices" not in value else None


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_joined, value))
    if isinstance(value, dict):
        return _joined(value.get("text") or value.get("thinking"))
    return ""
