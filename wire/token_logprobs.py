"""Reads the log-probabilities of a chat completion's last tokens, where a server gives them."""

from typing import Any

from pydantic import BaseModel, ValidationError

from wire.completion import (
    ChatChoice,
    ChatCompletion,
    Reply,
    TokenLogprobs,
    first_choice,
    parse_completion,
    reply_of,
)

_LAST = 32  # tokens that are kept: what ends a reply is asked for, and replies are stored


class _TokenLogprob(BaseModel):
    token: str
    logprob: float | None = None


class _Token(_TokenLogprob):
    top_logprobs: list[_TokenLogprob] = []


class _Logprobs(BaseModel):
    content: list[_Token] = []


class _TokenChoice(ChatChoice):
    logprobs: Any = None


class _TokenCompletion(ChatCompletion):
    choices: tuple[_TokenChoice, ...] = ()


def read_with_tokens(raw: bytes) -> Reply:
    """The reply in a response's body, with its last tokens if it has any.

    Raises as `read_completion`.
    """
    completion = parse_completion(raw, _TokenCompletion)
    return reply_of(completion)._replace(tokens=_tokens(first_choice(completion.choices).logprobs))


def _tokens(logprobs: Any) -> tuple[TokenLogprobs, ...]:
    """The last tokens; none where their form is another one."""
    try:
        tokens = _Logprobs.model_validate(logprobs).content
    except ValidationError:
        return ()
    return tuple(
        TokenLogprobs(
            token.token,
            tuple(
                dict.fromkeys(
                    (top.token, top.logprob)
                    for top in (token, *token.top_logprobs)
                    if top.logprob is not None
                )
            ),
        )
        for token in tokens[-_LAST:]
    )
