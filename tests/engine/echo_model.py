"""A fake model that repeats the question, in this process and behind a server.

Text and token ids agree under the embedded tokenizer. Answers end with the end-of-turn token, or
are truncated at the token limit.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

from config.generation import SamplingSettings
from engine.base import Completion, Request, make_request
from engine.models import load_tokenizer, resolve_model
from prompts.prompt_file import Prompt
from prompts.renderer import Renderer
from tests.judge.llm.server import Sent

Finish = Literal["stop", "length"]
SYSTEM = "You repeat what is said."
PREFIX = "You said: "


@cache
def renderer() -> Renderer:
    """The renderer of the embedded model, with a one-line prompt."""
    prompt = Prompt(system=SYSTEM, user_template="{question}{summaries}")
    return Renderer(load_tokenizer(resolve_model("embedded")), prompt)


def request(
    question: str, sampling: SamplingSettings | None = None, key: str | None = None
) -> Request:
    """A question as a request with ids and messages."""
    messages = tuple({"role": r, "content": c} for r, c in (("system", SYSTEM), ("user", question)))
    ids = renderer().template.prompt_ids(messages)
    settings = sampling or SamplingSettings(max_tokens=40)
    echo_request = make_request("m", ids, settings, 0, messages=messages)
    return echo_request if key is None else Request(key, ids, settings, 0, messages=messages)


class Echo(NamedTuple):
    """An answer of the model."""

    text: str
    ids: tuple[int, ...]
    finish: Finish


def echo(question: str, max_tokens: int) -> Echo:
    """The answer to a question; special tokens in the question stay special."""
    tokenizer = renderer().tokenizer
    ids: list[int] = tokenizer.encode(PREFIX + question, add_special_tokens=False)
    ids.append(renderer().template.end_of_turn)
    finish: Finish = "stop" if len(ids) <= max_tokens else "length"
    ids = ids[:max_tokens]
    text = tokenizer.decode(
        ids[:-1] if finish == "stop" else ids,
        skip_special_tokens=False,
        clean_up_tokenization_spaces=False,
    )
    return Echo(str(text), tuple(ids), finish)


class EchoEngine:
    """The model as an engine."""

    identity = "echo"
    max_length = 2048

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yields the completions in reverse order."""
        for echo_request in list(requests)[::-1]:
            answer = echo(echo_request.messages[-1]["content"], echo_request.sampling.max_tokens)
            shown = renderer().tokenizer.decode(
                answer.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            yield Completion(echo_request.key, str(shown), answer.ids, answer.finish)

    def close(self) -> None:
        """Nothing to free."""


def reply_to(body: dict[str, Any]) -> dict[str, Any]:
    """The chat completion for a request's body, with tokens if requested."""
    question = body["messages"][-1]["content"]
    answer = echo(question, body["max_tokens"])
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text},
        "finish_reason": answer.finish,
    }
    reply: dict[str, Any] = {"id": "x", "object": "chat.completion", "choices": [choice]}
    if body.get("return_token_ids"):
        choice["token_ids"] = answer.ids
        reply["prompt_token_ids"] = renderer().template.prompt_ids(body["messages"])
    if body.get("logprobs"):
        choice["logprobs"] = {"content": _content(answer.ids, body["top_logprobs"])}
    return reply


def _content(ids: Sequence[int], width: int) -> list[dict[str, Any]]:
    """The sampled token first, as vLLM lists it, then more likely ones."""
    others = [{"token": f"token_id:{n}", "logprob": -0.5 - n} for n in range(width - 1)]
    content = []
    for token in ids:
        own = {"token": f"token_id:{token}", "logprob": -1.25}
        content.append({**own, "top_logprobs": [own, *others]})
    return content


def respond(body: dict[str, Any]) -> Sent:
    """The server's response."""
    return Sent(raw=json.dumps(reply_to(body)).encode())
