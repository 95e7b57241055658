"""Parses the body of a chat completion, as far as this program reads it."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError


class Reply(NamedTuple):
    """A server's reply. Check `finish` before reading the text: a cut reply may look whole."""

    text: str
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Unintelligible(Exception):
    """The body is not a chat completion."""


class ChatMessage(BaseModel):
    """The model's message."""

    content: str | None = None
    refusal: str | None = None


class ChatChoice(BaseModel):
    """One of the completions of a request."""

    message: ChatMessage
    finish_reason: str | None = None

    @property
    def finish(self) -> str:
        """The finish reason. A refusal counts as `content_filter`, whatever the server calls it."""
        return "content_filter" if self.message.refusal else (self.finish_reason or "stop")


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ChatCompletion(BaseModel):
    """The fields read of a chat completion; servers add more."""

    choices: Sequence[ChatChoice]
    usage: _Usage | None = None


_C = TypeVar("_C", bound=ChatCompletion)


def parse_completion(raw: bytes, kind: type[_C]) -> _C:
    """A response's body as a `kind` with at least one choice. Raises Unintelligible."""
    try:
        completion = kind.model_validate_json(raw)
    except ValidationError:
        raise Unintelligible("the reply is no chat completion") from None
    if not completion.choices:
        raise Unintelligible("the reply holds no choices")
    return completion


def read_completion(raw: bytes) -> Reply:
    """The reply in a response's body. Raises Unintelligible."""
    completion = parse_completion(raw, ChatCompletion)
    choice, usage = completion.choices[0], completion.usage or _Usage()
    return Reply(
        text=choice.message.content or "",
        finish=choice.finish,
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )
