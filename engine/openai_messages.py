"""A request as a chat completion over the wire, and the reply to it as a completion of ours.

Asked by messages, since a server may hold another model with a tokenizer of its own. Its answer is
learnt by its text then; where the server is vLLM with the base's tokenizer, by its token ids.
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
from prompts.renderer import Renderer
from wire import completion as wired
from wire.completion import parse_completion

_ID = "token_id:"  # how vLLM writes a token's id in the place of its text


class _Likely(BaseModel):
    token: str
    logprob: float


class _Token(_Likely):
    top_logprobs: list[_Likely] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Choice(wired.ChatChoice):
    logprobs: _Logprobs | None = None
    token_ids: list[int] | None = None


class TokenCompletion(wired.ChatCompletion):
    """A chat completion with the tokens, where the server gives them."""

    choices: Sequence[_Choice]
    prompt_token_ids: list[int] | None = None


def parse_token_completion(raw: bytes) -> TokenCompletion:
    """The chat completion in a response's body. Raises Unintelligible."""
    return parse_completion(raw, TokenCompletion)


class ChatCodec:
    """The language of one remote model: requests into bodies, replies into completions."""

    def __init__(
        self,
        remote: RemoteBackend,
        renderer: Renderer,
        template_kwargs: Mapping[str, bool | str],
    ) -> None:
        """`renderer` and `template_kwargs`: those of the base model."""
        self._remote = remote
        self._renderer = renderer
        self._kwargs = dict(template_kwargs)
        self.identity = digest(["chat", remote.model, remote.same_tokenizer])

    def body(self, request: Request) -> dict[str, Any]:
        """What is sent for a request. Only messages and settings that every server knows, unless
        it is known to be vLLM: then also what keeps a model's generation_config.json out.
        """
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._remote.model,
            "messages": list(request.messages),
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.temperature > 0:
            body["seed"] = request.seed
        if not self._remote.same_tokenizer:
            return body
        if sampling.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
        if self._kwargs:
            body["chat_template_kwargs"] = self._kwargs
        as_ids = {"return_token_ids": True, "return_tokens_as_token_ids": True}
        return body | as_ids | {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}

    def completion(self, request: Request, told: TokenCompletion) -> Completion:
        """The completion in a reply. What the provider's filter holds back is an empty answer,
        which is counted as such and never learnt.

        Raises SetupError when the server has another tokenizer than it is said to have.
        """
        choice = told.choices[0]
        if choice.finish == "content_filter":
            return self.refused(request)
        if self._remote.same_tokenizer:
            return self._by_ids(request, told)
        text = self._renderer.neutral((choice.message.content or "").strip())
        ids = self._renderer.answer_ids(text)
        if choice.finish == "length":
            return Completion(request.key, text, ids[:-1], "length")
        return Completion(request.key, text, ids, "stop")

    def refused(self, request: Request) -> Completion:
        """The completion of a request that the provider's filter refuses."""
        return Completion(request.key, "", self._renderer.answer_ids(""), "stop")

    def _by_ids(self, request: Request, told: TokenCompletion) -> Completion:
        choice = told.choices[0]
        if choice.token_ids is None or told.prompt_token_ids is None:
            raise self._no_such("gives no token ids, as vLLM does")
        if tuple(told.prompt_token_ids) != request.prompt_ids:
            raise self._no_such("makes other token ids of the same messages")
        ids = tuple(choice.token_ids)
        cut = choice.finish == "length"
        text = self._renderer.tokenizer.decode(
            ids if cut else ids[:-1], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        finish: Literal["stop", "length"] = "length" if cut else "stop"
        if request.sampling.logprobs is None:
            return Completion(request.key, str(text), ids, finish)
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        if len(tokens) != len(ids):
            raise self._no_such(f"gives {len(tokens)} probabilities for {len(ids)} tokens")
        logprobs = tuple(token.logprob for token in tokens)
        topk = _topk(tokens) if request.sampling.logprobs else None
        return Completion(request.key, str(text), ids, finish, logprobs, topk)

    def _no_such(self, what: str) -> SetupError:
        return SetupError(
            f"teacher.engine: the server of {self._remote.model} {what}; set same_tokenizer: false "
            "and teacher.sampling.logprobs: null, or serve a model with the base's tokenizer"
        )


def _topk(tokens: Sequence[_Token]) -> TopLogprobs:
    """The likely tokens of each position. vLLM lists the drawn one first; where that is not among
    the K most likely, it stands in for the last of them.
    """
    rows = [
        sorted((one.logprob, int(one.token.removeprefix(_ID))) for one in token.top_logprobs)[::-1]
        for token in tokens
    ]
    ids = np.array([[token for _, token in row] for row in rows], np.int32)
    values = np.array([[logprob for logprob, _ in row] for row in rows], np.float16)
    return TopLogprobs(ids, values)
