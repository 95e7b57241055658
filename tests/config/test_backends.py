"""Backends of the teacher: combinations that cannot work are refused with a way out."""

from pathlib import Path

import pytest

from config.backends import BatchBackend, OpenAiBackend, RayBackend, VllmBackend
from config.errors import ConfigError
from config.load import load_config

DEMO = Path(__file__).parent.parent.parent / "config/demo.yaml"
OPENAI = "teacher.engine={kind: openai, model: m, base_urls: ['http://a/v1']%s}"
A, B = "http://a.invalid/v1", "http://b.invalid/v1"
TEXT = OPENAI % ""
IDS = OPENAI % ", same_tokenizer: true"
KL = "students.0.objective={kind: kl}"
ADAPTER_OFF = "students.0.objective={kind: kl, teacher: adapter_off}"
NO_LOGPROBS = "teacher.sampling.logprobs=null"


def test_kinds_and_the_default() -> None:
    """Without `engine` the teacher is vLLM in this process."""
    assert load_config(DEMO).teacher.engine == VllmBackend()
    for kind, backend in [
        (f"openai, model: m, base_urls: [{A}, {B}]", OpenAiBackend(model="m", base_urls=(A, B))),
        ("batch, model: m", BatchBackend(model="m")),
        ("ray, workers: 3", RayBackend(workers=3)),
    ]:
        config = load_config(DEMO, [f"teacher.engine={{kind: {kind}}}", NO_LOGPROBS])
        assert config.teacher.engine == backend


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            [TEXT, KL],
            r"kl with teacher: stored needs .* openai returns text; .*adapter_off, or same",
        ),
        ([TEXT], r"teacher.sampling.logprobs 20: teacher.engine openai returns text; .* null"),
        (
            [TEXT, NO_LOGPROBS, "predict.sampling.logprobs=0"],
            r"predict.sampling.logprobs 0: teacher.engine openai returns text; .* null",
        ),
        ([IDS, "teacher.model=large"], r"large is a local model, but engine openai uses m"),
        (
            ["teacher.engine={kind: openai, model: m, base_urls: []}"],
            r"base_urls = \[\]: .*at least 1",
        ),
        (
            [f"teacher.engine={{kind: openai, model: m, base_urls: [{A}, {A}]}}"],
            r"a URL is listed twice; raise concurrency",
        ),
        (
            [f"teacher.engine={{kind: openai, base_urls: [{A}]}}"],
            r"engine.model is missing; add `model: …`",
        ),
        (["teacher.engine={kind: vllm, workers: 2}"], r"unknown setting .*workers"),
        (
            ["teacher.engine={kind: sglang}"],
            r"teacher.engine.kind = 'sglang': write vllm, transformers, ray, openai or batch",
        ),
    ],
)
def test_refuses_combinations_that_cannot_work(overrides: list[str], line: str) -> None:
    """The error is one line."""
    with pytest.raises(ConfigError, match=line) as refused:
        load_config(DEMO, overrides)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "overrides",
    [
        [IDS, KL],
        [IDS],
        [TEXT, NO_LOGPROBS],
        [TEXT, NO_LOGPROBS, ADAPTER_OFF],
        ["teacher.model=large"],
        ["teacher.model=large", "teacher.engine={kind: ray}", KL],
    ],
)
def test_accepts_combinations_that_work(overrides: list[str]) -> None:
    """The checks above are not too strict."""
    assert load_config(DEMO, overrides).teacher
