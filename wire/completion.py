"""A chat completion as a server sends it, read down to what is needed of it."""

from typing import NamedTuple

from pydantic import BaseModel, ValidationError


class Reply(NamedTuple):
    """What the server said; `finish` has to be read before the text."""

    text: str
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Unintelligible(Exception):
    """What came is no chat completion."""


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    """What is read of a chat completion; servers add keys of their own."""

    choices: list[_Choice]
    usage: _Usage | None = None


def read_completion(raw: bytes) -> Reply:
    """The reply in a response's body. Raises Unintelligible."""
    try:
        found = _Completion.model_validate_json(raw)
    except ValidationError:
        raise Unintelligible("the reply is no chat completion") from None
    if not found.choices:
        raise Unintelligible("the reply holds no choices")
    choice, usage = found.choices[0], found.usage or _Usage()
    return Reply(
        text=choice.message.content or "",
        finish="content_filter" if choice.message.refusal else (choice.finish_reason or "stop"),
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )
