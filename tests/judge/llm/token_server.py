"""Replies with log-probabilities in OpenAI's form, as vLLM sends them."""

import json
from collections.abc import Sequence
from math import log
from typing import Any

from tests.judge.llm.server import Body, Sent, output_mode

Top = dict[str, float]  # token → probability


def scored_reply(tokens: Sequence[tuple[str, Top]], text: str | None = None) -> Sent:
    """A reply of these tokens, each with the most probable ones in its place."""
    content = [_token(token, top) for token, top in tokens]
    message = {"role": "assistant", "content": text or "".join(token for token, _ in tokens)}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "stop",
        "logprobs": {"content": content},
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return Sent(raw=json.dumps({"choices": [choice], "usage": usage}).encode())


def scored_verdict(body: Body, top: Top, word: str = "") -> Sent:
    """A verdict in the form that was asked for; `word` is the token of it, the likeliest if none.

    Without logprobs where the request asks for none.
    """
    token = word or max(top, key=top.__getitem__)
    tokens: list[tuple[str, Top]]
    if output_mode(body) == "plain":
        tokens = [("REASONING:", {}), (" So", {}), ("\nVERDICT", {}), (":", {}), (token, top)]
    else:
        head = '{"evidence": [], "reasoning": "It does not fail.", "verdict": "'
        tokens = [(head, {}), (token.strip(), {name.strip(): p for name, p in top.items()})]
        tokens += [('"', {}), ("}", {})]
    tokens.append(("<|im_end|>", {}))
    text = "".join(name for name, _ in tokens[:-1])
    reply = scored_reply(tokens, text)
    return reply if body.get("logprobs") else Sent(text)


def _token(token: str, top: Top) -> dict[str, Any]:
    listed = [{"token": name, "logprob": log(p), "bytes": None} for name, p in top.items()]
    own = log(top.get(token, 1.0))
    return {"token": token, "logprob": own, "bytes": None, "top_logprobs": listed}
