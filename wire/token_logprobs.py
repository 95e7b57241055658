"""Reads the log-probabilities of a chat completion's last tokens, where a server gives them."""

from math import inf, isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, TypeAdapter, ValidationError

from wire.completion import (
    ChatChoice,
    ChatCompletion,
    Reply,
    TokenLogprobs,
    first_choice,
    parse_completion,
    reply_of,
)

_ROUNDING = 0.01  # by which a server may write a certain token's log-probability above 0
_LAST = 32  # tokens that are kept: what ends a reply is asked for, and replies are stored


def _checked(logprob: float | None) -> float | None:
    """A log-probability; None: the token has none, or the probability 0, which no file stores."""
    if logprob is None or logprob == -inf:
        return None
    if not isfinite(logprob) or logprob > _ROUNDING:
        raise ValueError("no log-probability")
    return logprob


class _TokenLogprob(BaseModel):
    token: str
    logprob: Annotated[float | None, AfterValidator(_checked)] = None


class _Token(_TokenLogprob):
    top_logprobs: list[_TokenLogprob] = []


_TOKENS = TypeAdapter(list[_Token])


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
    """The last tokens; none where their form is another one, or a number is no log-probability."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    last = content[-_LAST:] if isinstance(content, list) else []
    try:
        tokens = _TOKENS.validate_python(last)
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
        for token in tokens
    )
