"""A real vLLM server goes on from the beginning of an answer, behind the very token ids."""

from pathlib import Path
from typing import Any, cast

import pytest
from openai import OpenAI

from config.backends import OpenAiBackend
from config.generation import SamplingSettings
from engine.openai_engine import OpenAiEngine
from engine.openai_messages import ChatCodec
from engine.prefill import Prefill
from tests.engine.echo_model import renderer
from tests.engine.openai_engine_factory import questions

BEGINNING = "Lakeside desk: The office opens"


@pytest.mark.slow
def test_the_server_reads_the_prefilled_ids(tmp_path: Path) -> None:
    """Its own count of prompt tokens and their ids are those of the request, and the answer is the
    beginning with what follows."""
    from engine.vllm_server import vllm_server

    template = renderer().template
    prefill = Prefill(template, BEGINNING, ())
    requests = [
        prefill.request(request) for request in questions(3, SamplingSettings(max_tokens=24))
    ]
    with vllm_server("embedded", 2048, tmp_path / "server.log") as url:
        backend = OpenAiBackend(model="embedded", base_urls=(url,), same_tokenizer=True)
        codec = ChatCodec(backend, renderer(), {})
        completions = list(OpenAiEngine(backend, codec, 2048).run(requests))
        client = OpenAI(base_url=url, api_key="none")
        replies = [
            client.post("/chat/completions", cast_to=cast(Any, object), body=codec.body(request))
            for request in requests
        ]
    for request, reply in zip(requests, replies, strict=True):
        assert tuple(reply["prompt_token_ids"]) == request.prompt_ids
        assert request.prompt_ids[-len(prefill.beginning_ids) :] == prefill.beginning_ids
    for completion in completions:
        answer = prefill.joined(completion)
        assert answer.text.startswith(BEGINNING) and len(answer.text) > len(BEGINNING)
        assert answer.token_ids[: len(prefill.beginning_ids)] == prefill.beginning_ids
