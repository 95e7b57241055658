"""Requests as chat completions of the OpenAI protocol, and replies as completions.

Requests carry messages, because a server's model may have another tokenizer. Students then learn
the text of its answers; if the server is vLLM with the base's tokenizer, the token ids.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from config.backends import RemoteBackend
from config.console import print
from config.errors import SetupError
from data.records import digest
from data.top_logprobs import TopLogprobs
from data.visible_text import has_visible_text
from engine.answer_tokens import without_reasoning
from engine.base import Completion, Request
from engine.models import decode_answer
from prompts.reasoning import cut_reasoning
from prompts.renderer import Renderer
from wire.completion import ChatChoice, ChatCompletion, first_choice, parse_completion
from wire.finish_reason import ending_of
from wire.server_words import quoted

_TOKEN_ID = "token_id:"  # prefix with which vLLM writes a token's id in place of its text
_DIGITS = re.compile(r"[0-9]{1,9}")
_MOST_TOKENS = 10**9  # of any vocabulary
_LEAST_LOGPROB = -60_000.0  # float16 ends at -65,504; vLLM writes -9999 in place of -inf
_ROUNDING = 0.01  # by which a server may write a certain token's logprob above 0


class _TokenLogprob(BaseModel):
    token: str | None = None
    logprob: float | None = None


class _Token(_TokenLogprob):
    top_logprobs: list[_TokenLogprob] | None = None


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _TokenChoice(ChatChoice):
    logprobs: _Logprobs | None = None
    token_ids: list[int] | None = None


class TokenCompletion(ChatCompletion):
    """A chat completion with tokens, of a server with the base's tokenizer."""

    choices: tuple[_TokenChoice, ...] = ()
    prompt_token_ids: list[int] | None = None


def parse_token_completion(body: bytes) -> TokenCompletion:
    """A chat completion with its tokens. Raises as `parse_completion`."""
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
        self._reported: set[str] = set()
        identity = ["chat", backend.model, backend.same_tokenizer]
        self.identity = digest([*identity, backend.changes] if backend.changes else identity)

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
        if self._backend.same_tokenizer:
            body |= self._token_fields(request)
        return self._backend.apply(body)

    def _token_fields(self, request: Request) -> dict[str, Any]:
        fields: dict[str, Any] = {"return_token_ids": True, "return_tokens_as_token_ids": True}
        fields["stop_token_ids"] = list(request.stop_ids)
        if (top_logprobs := request.sampling.logprobs) is not None:
            fields |= {"logprobs": True, "top_logprobs": top_logprobs}
        if self._template_kwargs:
            fields["chat_template_kwargs"] = self._template_kwargs
        if request.messages and request.messages[-1]["role"] == "assistant":
            fields |= {"add_generation_prompt": False, "continue_final_message": True}
        return fields | {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}

    def parse(self, body: bytes) -> ChatCompletion:
        """The chat completion in a response's body. Raises as `parse_completion`."""
        if self._backend.same_tokenizer:
            return parse_token_completion(body)
        return parse_completion(body, ChatCompletion)

    def completion(self, request: Request, reply: ChatCompletion) -> Completion:
        """The completion in a reply. An answer that the provider's content filter withholds is
        empty: it is counted, and never learnt. So is one that did not end by itself, or whose
        reasoning cannot be told from the answer: it counts as cut.

        Raises SetupError when the server's tokenizer contradicts the settings.
        """
        choice = first_choice(reply.choices)
        if ending_of(choice.finish) == "filtered":
            return self.filtered(request)
        is_whole = self._is_whole(request, reply, choice.finish)
        if self._backend.same_tokenizer:
            return self._completion_from_ids(request, reply, is_whole)
        answer = cut_reasoning(choice.message.text)
        if not answer.separable:
            self._report("writes reasoning without a clear end into its answers")
        elif not has_visible_text(answer.text) and choice.message.thoughts:
            self._report("returns reasoning without an answer")
        text = self._renderer.template.neutralise(answer.text.strip())
        ids = self._renderer.answer_ids(text)
        if is_whole and answer.separable:
            return Completion(request.key, text, ids, "stop", reasoning_cut=answer.was_cut)
        return Completion(request.key, text, ids[:-1], "length", reasoning_cut=answer.was_cut)

    def filtered(self, request: Request) -> Completion:
        """The empty completion of a request that the provider's content filter rejects."""
        return Completion(request.key, "", self._renderer.answer_ids(""), "stop")

    def too_long(self, request: Request) -> Completion:
        """The completion of a request that the server's model has no room for."""
        return Completion(request.key, "", (), "too_long")

    def is_storable(self, reply: ChatCompletion) -> bool:
        """Whether UTF-8 can encode the answer's text. Token ids are always storable."""
        if self._backend.same_tokenizer:
            return True
        try:
            first_choice(reply.choices).message.text.encode()
        except UnicodeEncodeError:
            return False
        return True

    def _is_whole(self, request: Request, reply: ChatCompletion, finish: str) -> bool:
        """Whether the answer ended by itself. Without a reason, it did if it is shorter than the
        limit; without a count of tokens either, nobody knows, and it is not learnt.
        """
        ending = ending_of(finish)
        if ending == "unstated":
            tokens = reply.tokens("completion_tokens", "output_tokens")
            if not tokens:
                self._report("states neither finish_reason nor completion_tokens")
            limit = self.body(request).get(self._backend.max_tokens_field)
            return 0 < tokens < (limit or request.sampling.max_tokens)
        if ending == "unknown":
            self._report(f"ends answers with finish_reason {quoted(finish)!r}, no known end")
        return ending == "whole"

    def _completion_from_ids(
        self, request: Request, reply: ChatCompletion, is_whole: bool
    ) -> Completion:
        if not isinstance(reply, TokenCompletion):
            raise TypeError("a reply of same_tokenizer is parsed with its tokens")
        choice = first_choice(reply.choices)
        if choice.token_ids is None or reply.prompt_token_ids is None:
            raise self._mismatch("returns no token ids, as vLLM does")
        if tuple(reply.prompt_token_ids) != request.prompt_ids:
            raise self._mismatch("makes other token ids of the same messages")
        ids = tuple(choice.token_ids)
        if not all(0 <= token_id < _MOST_TOKENS for token_id in ids):
            raise self._mismatch("returns a number that is no token id")
        text = decode_answer(self._renderer.tokenizer, ids[:-1] if is_whole else ids)
        finish: Literal["stop", "length"] = "stop" if is_whole else "length"
        if request.sampling.logprobs is None:
            return self._answer_alone(Completion(request.key, text, ids, finish))
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        if len(tokens) != len(ids):
            raise self._mismatch(f"returns {len(tokens)} logprobs for {len(ids)} tokens")
        logprobs = tuple(self._logprob(token) for token in tokens)
        top_logprobs = self._top_logprobs(tokens) if request.sampling.logprobs else None
        return self._answer_alone(
            Completion(request.key, text, ids, finish, logprobs, top_logprobs)
        )

    def _answer_alone(self, completion: Completion) -> Completion:
        answer = without_reasoning(completion, self._renderer.tokenizer)
        if answer.finish != completion.finish:
            self._report("writes reasoning without a clear end into its answers")
        return answer

    def _logprob(self, token: _TokenLogprob) -> float:
        if token.logprob is None:
            raise self._mismatch("returns a token without its logprob")
        if not _LEAST_LOGPROB <= token.logprob <= _ROUNDING:  # NaN is not either
            raise self._mismatch(f"returns the logprob {token.logprob:g}")
        return token.logprob

    def _top_logprobs(self, tokens: Sequence[_Token]) -> TopLogprobs:
        """The top logprobs of each position. vLLM lists the sampled token first; if it is not
        among the K most likely, it replaces the last of them.

        A ragged list is refused: which tokens it leaves out is unknown.
        """
        widths = {len(token.top_logprobs or ()) for token in tokens}
        if len(widths) > 1 or 0 in widths:
            raise self._mismatch(f"returns {min(widths)} to {max(widths)} top_logprobs per token")
        positions = [
            sorted((self._logprob(top), self._token_id(top)) for top in token.top_logprobs or ())
            for token in tokens
        ]
        ids = [[token_id for _, token_id in reversed(position)] for position in positions]
        logprobs = [[logprob for logprob, _ in reversed(position)] for position in positions]
        return TopLogprobs(np.array(ids, np.int32), np.array(logprobs, np.float16))

    def _token_id(self, token: _TokenLogprob) -> int:
        digits = (token.token or "").removeprefix(_TOKEN_ID)
        if not _DIGITS.fullmatch(digits) or digits == token.token:
            raise self._mismatch(f"returns the token {token.token!r} where vLLM writes its id")
        return int(digits)

    def _mismatch(self, problem: str) -> SetupError:
        return SetupError(
            f"teacher.engine: the server of {self._backend.model} {problem}; set same_tokenizer: "
            "false and teacher.sampling.logprobs: null, or serve a model with the base's tokenizer"
        )

    def _report(self, problem: str) -> None:
        """Says once that answers are not learnt, and why."""
        if problem not in self._reported:
            self._reported.add(problem)
            print(
                f"teacher.engine: the server of {self._backend.model} {problem}; such answers are "
                "not whole and never learnt",
                file=sys.stderr,
            )
