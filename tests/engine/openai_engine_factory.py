"""OpenAI engines of test servers, with requests for them."""

from collections.abc import Sequence
from typing import Any

from config.backends import OpenAiBackend
from config.generation import SamplingSettings
from engine.base import Completion, Request
from engine.openai_engine import OpenAiEngine
from engine.openai_messages import ChatCodec
from tests.engine.echo_model import renderer, request
from tests.judge.llm.server import Respond, serving
from wire.client import RetryPolicy

QUICK = RetryPolicy(attempts=6, first_wait_s=0.002, longest_wait_s=0.02)


def engine_at(*urls: str, **settings: Any) -> OpenAiEngine:
    backend = OpenAiBackend(
        model="m", base_urls=urls, api_key_env="TEACHER_TEST_KEY", timeout_s=2.0, **settings
    )
    kwargs = {"enable_thinking": False}
    return OpenAiEngine(backend, ChatCodec(backend, renderer(), kwargs), 2048, QUICK)


def questions(count: int, sampling: SamplingSettings | None = None) -> list[Request]:
    return [request(f"Question number {n}?", sampling) for n in range(count)]


def completions_from(
    respond: Respond, requests: Sequence[Request], **settings: Any
) -> list[Completion]:
    with serving(respond) as served:
        return list(engine_at(served.url, **settings).run(requests))
