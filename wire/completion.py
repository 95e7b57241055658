"""A chat completion as a server sends it, read down to what is needed of it."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError


class Reply(NamedTuple):
    """What the server said; `finish` has to be read before the text."""

    text: str
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Unintelligible(Exception):
    """What came is no chat completion."""


class ChatMessage(BaseModel):
    """What the model said."""

    content: str | None = None
    refusal: str | None = None


class ChatChoice(BaseModel):
    """One of the answers to a request."""

    message: ChatMessage
    finish_reason: str | None = None

    @property
    def finish(self) -> str:
        """Why it ends; a refusal is the provider's filter, by whatever name."""
        return "content_filter" if self.message.refusal else (self.finish_reason or "stop")


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ChatCompletion(BaseModel):
    """What is read of a chat completion; servers add keys of their own."""

    choices: Sequence[ChatChoice]
    usage: _Usage | None = None


_C = TypeVar("_C", bound=ChatCompletion)


def parsed(raw: bytes, kind: type[_C]) -> _C:
    """A response's body, with a choice at least. Raises Unintelligible."""
    try:
        found = kind.model_validate_json(raw)
    except ValidationError:
        raise Unintelligible("the reply is no chat completion") from None
    if not found.choices:
        raise Unintelligible("the reply holds no choices")
    return found


def read_completion(raw: bytes) -> Reply:
    """The reply in a response's body. Raises Unintelligible."""
    found = parsed(raw, ChatCompletion)
    choice, usage = found.choices[0], found.usage or _Usage()
    return Reply(
        text=choice.message.content or "",
        finish=choice.finish,
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )
