"""Requests as chat completions of the OpenAI protocol, and replies as completions.

Requests carry messages, because a server's model may have another tokenizer. Students then learn
the text of its answers; if the server is vLLM with the base's tokenizer, the token ids.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from config.backends import RemoteBackend
from config.errors import SetupError
from data.records import digest
from data.top_logprobs import TopLogprobs
from engine.base import Completion, Request
from engine.models import decode_answer
from prompts.renderer import Renderer
from wire.completion import ChatChoice, ChatCompletion, parse_completion

_TOKEN_ID = "token_id:"  # prefix with which vLLM writes a token's id in place of its text


class _TokenLogprob(BaseModel):
    token: str
    logprob: float


class _Token(_TokenLogprob):
    top_logprobs: list[_TokenLogprob] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _TokenChoice(ChatChoice):
    logprobs: _Logprobs | None = None
    token_ids: list[int] | None = None


class TokenCompletion(ChatCompletion):
    """A chat completion with tokens, if the server returns them."""

    choices: Sequence[_TokenChoice]
    prompt_token_ids: list[int] | None = None


def parse_token_completion(body: bytes) -> TokenCompletion:
    """The chat completion in a response's body. Raises Unintelligible."""
    return parse_completion(body, TokenCompletion)


class ChatCodec:
    """Encodes requests to one remote model and decodes its replies."""

    def __init__(
        self,
        backend: RemoteBackend,
        renderer: Renderer,
        template_kwargs: Mapping[str, bool | str],
    ) -> None:
        """`renderer` and `template_kwargs` of the base model."""
        self._backend = backend
        self._renderer = renderer
        self._template_kwargs = dict(template_kwargs)
        self.identity = digest(["chat", backend.model, backend.same_tokenizer])

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON body of a request.

        A server that may not be vLLM gets only what every server accepts. vLLM also gets the
        settings that override the model's generation_config.json.
        """
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._backend.model,
            "messages": list(request.messages),
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.temperature > 0:
            body["seed"] = request.seed
        if not self._backend.same_tokenizer:
            return body
        if sampling.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
        if self._template_kwargs:
            body["chat_template_kwargs"] = self._template_kwargs
        as_ids: dict[str, Any] = {"return_token_ids": True, "return_tokens_as_token_ids": True}
        as_ids["stop_token_ids"] = list(request.stop_ids)
        return body | as_ids | {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}

    def completion(self, request: Request, reply: TokenCompletion) -> Completion:
        """The completion in a reply. An answer that the provider's content filter withholds is
        empty: it is counted, and never learnt.

        Raises SetupError when the server's tokenizer contradicts the settings.
        """
        choice = reply.choices[0]
        if choice.finish == "content_filter":
            return self.filtered(request)
        if self._backend.same_tokenizer:
            return self._completion_from_ids(request, reply)
        text = self._renderer.template.neutralise((choice.message.content or "").strip())
        ids = self._renderer.answer_ids(text)
        if choice.finish == "length":
            return Completion(request.key, text, ids[:-1], "length")
        return Completion(request.key, text, ids, "stop")

    def filtered(self, request: Request) -> Completion:
        """The empty completion of a request that the provider's content filter rejects."""
        return Completion(request.key, "", self._renderer.answer_ids(""), "stop")

    def _completion_from_ids(self, request: Request, reply: TokenCompletion) -> Completion:
        choice = reply.choices[0]
        if choice.token_ids is None or reply.prompt_token_ids is None:
            raise self._mismatch("returns no token ids, as vLLM does")
        if tuple(reply.prompt_token_ids) != request.prompt_ids:
            raise self._mismatch("makes other token ids of the same messages")
        ids = tuple(choice.token_ids)
        finish: Literal["stop", "length"] = "length" if choice.finish == "length" else "stop"
        text = decode_answer(self._renderer.tokenizer, ids[:-1] if finish == "stop" else ids)
        if request.sampling.logprobs is None:
            return Completion(request.key, text, ids, finish)
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        if len(tokens) != len(ids):
            raise self._mismatch(f"returns {len(tokens)} logprobs for {len(ids)} tokens")
        logprobs = tuple(token.logprob for token in tokens)
        top_logprobs = _top_logprobs(tokens) if request.sampling.logprobs else None
        return Completion(request.key, text, ids, finish, logprobs, top_logprobs)

    def _mismatch(self, problem: str) -> SetupError:
        return SetupError(
            f"teacher.engine: the server of {self._backend.model} {problem}; set same_tokenizer: "
            "false and teacher.sampling.logprobs: null, or serve a model with the base's tokenizer"
        )


def _top_logprobs(tokens: Sequence[_Token]) -> TopLogprobs:
    """The top logprobs of each position. vLLM lists the sampled token first; if it is not among
    the K most likely, it replaces the last of them.
    """
    positions = [
        sorted((top.logprob, int(top.token.removeprefix(_TOKEN_ID))) for top in token.top_logprobs)
        for token in tokens
    ]
    ids = [[token_id for _, token_id in reversed(position)] for position in positions]
    logprobs = [[logprob for logprob, _ in reversed(position)] for position in positions]
    return TopLogprobs(np.array(ids, np.int32), np.array(logprobs, np.float16))
