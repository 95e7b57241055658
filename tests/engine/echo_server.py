"""A model that repeats the question, in this process and behind a server, with its own end tokens.

What it says ends where the question does, is cut where it may say no more, and is what a model of
the embedded tokenizer would say: text and token ids agree.
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
SAID = "You said: "


@cache
def renderer() -> Renderer:
    """Of the embedded model, with a prompt of one line."""
    prompt = Prompt(system=SYSTEM, user_template="{question}{summaries}")
    return Renderer(load_tokenizer(resolve_model("embedded")), prompt)


def request(
    question: str, sampling: SamplingSettings | None = None, key: str | None = None
) -> Request:
    """A question as a request, with ids and messages."""
    messages = tuple({"role": r, "content": c} for r, c in (("system", SYSTEM), ("user", question)))
    ids = renderer().template.prompt_ids(messages)
    drawn = sampling or SamplingSettings(max_tokens=40)
    made = make_request("m", ids, drawn, 0, messages=messages)
    return made if key is None else Request(key, ids, drawn, 0, messages=messages)


class Said(NamedTuple):
    """What the model says."""

    text: str
    ids: tuple[int, ...]
    finish: Finish


def said(question: str, most: int) -> Said:
    """The answer to a question; the special tokens of the question stay what they are."""
    tokenizer = renderer().tokenizer
    ids: list[int] = tokenizer.encode(SAID + question, add_special_tokens=False)
    ids.append(renderer().template.end_of_turn)
    finish: Finish = "stop" if len(ids) <= most else "length"
    ids = ids[:most]
    text = tokenizer.decode(
        ids[:-1] if finish == "stop" else ids,
        skip_special_tokens=False,
        clean_up_tokenization_spaces=False,
    )
    return Said(str(text), tuple(ids), finish)


class EchoEngine:
    """The model in this process."""

    identity = "echo"
    max_length = 2048

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """One after another, the last first."""
        for one in list(requests)[::-1]:
            answer = said(one.messages[-1]["content"], one.sampling.max_tokens)
            shown = renderer().tokenizer.decode(
                answer.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            yield Completion(one.key, str(shown), answer.ids, answer.finish)

    def close(self) -> None:
        """Nothing to free."""


def replied(body: dict[str, Any]) -> dict[str, Any]:
    """The chat completion to a request's body: text alone, or with tokens where they are wanted."""
    question = body["messages"][-1]["content"]
    answer = said(question, body["max_tokens"])
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text},
        "finish_reason": answer.finish,
    }
    found: dict[str, Any] = {"id": "x", "object": "chat.completion", "choices": [choice]}
    if body.get("return_token_ids"):
        choice["token_ids"] = answer.ids
        found["prompt_token_ids"] = renderer().template.prompt_ids(body["messages"])
    if body.get("logprobs"):
        choice["logprobs"] = {"content": _likely(answer.ids, body["top_logprobs"])}
    return found


def _likely(ids: Sequence[int], width: int) -> list[dict[str, Any]]:
    """The drawn token first, as vLLM has it, and others more likely than it."""
    others = [{"token": f"token_id:{n}", "logprob": -0.5 - n} for n in range(width - 1)]
    found = []
    for token in ids:
        own = {"token": f"token_id:{token}", "logprob": -1.25}
        found.append({**own, "top_logprobs": [own, *others]})
    return found


def respond(body: dict[str, Any]) -> Sent:
    """The server's answer."""
    return Sent(raw=json.dumps(replied(body)).encode())
