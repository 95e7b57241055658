"""Who answers for a trained student: vLLM with folded weights, or transformers."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from config.generation import SamplingSettings
from config.training import StudentSettings
from data.run_paths import RunPaths
from engine.base import Adapter, Completion, make_request, score_request
from engine.hf_engine import HfEngine
from engine.hf_generation import generate_answers
from engine.models import load_base, load_tokenizer
from engine.precision import precision
from engine.token_sampler import GenerationSettings
from engine.vllm_engine import VllmEngine
from report.run_files import read_run
from report.serving import build_serving_guide
from student.checkpoint import load_trained
from student.model import load_student
from tests.report.run_fixture import STUDENT, make_run
from tests.student.conftest import TrainStudent
from tests.student.trained_students import (
    END,
    LIVE,
    METHODS,
    ROUNDING,
    SYSTEM,
    answer_logits,
    ids_of,
    prompts,
)

LIMIT = 8  # tokens of an answer


@pytest.fixture(scope="module")
def vllm(small: str) -> Iterator[VllmEngine]:
    """One engine for all: starting it takes longer than all that it answers."""
    engine = VllmEngine(small, 256)
    yield engine
    engine.close()


@pytest.mark.parametrize("name", [name for name in METHODS if name not in LIVE])
def test_vllm_answers_as_the_trained_model(
    small: str, learn: TrainStudent, vllm: VllmEngine, name: str
) -> None:
    """Folded in: each token of an answer is as likely as a forward pass of the trained model says.

    By their mean, as in tests/engine/test_vllm_engine.py; and they are not the base's answers.
    """
    student = learn(name)
    adapter = Adapter(name, student.served, student.sha256, student.method.served)
    actual = answered(vllm, adapter)
    assert surprise(student.model, actual) < ROUNDING
    assert surprise(load_base(small), actual) > 10 * ROUNDING


@pytest.mark.parametrize("name", LIVE)
def test_transformers_answers_as_the_trained_model(
    small: str, learn: TrainStudent, name: str
) -> None:
    """With virtual tokens: the same tokens as the model in memory, and their words."""
    student = learn(name)
    engine = HfEngine(small, 256)
    actual = answered(engine, Adapter(name, student.served, student.sha256, "live"))
    assert answered(engine, None) != actual
    engine.close()
    drawn = generate_answers(student.model, prompts(), GenerationSettings((END,), LIMIT))
    trained = {answer.prompt: answer.token_ids for answer in drawn}
    assert [completion.token_ids for completion in actual] == [trained[at] for at in range(3)]
    assert surprise(student.model, actual) < ROUNDING
    tokenizer = load_tokenizer(small)
    for completion in actual:
        assert completion.text == tokenizer.decode(completion.token_ids, skip_special_tokens=True)
        assert (completion.finish == "stop") == (completion.token_ids[-1] == END)


@pytest.mark.parametrize("name", LIVE)
def test_transformers_scores_what_it_drew(small: str, learn: TrainStudent, name: str) -> None:
    """Given back, an answer is as likely as when it was drawn; to the base it is unlikely."""
    student = learn(name)
    engine = HfEngine(small, 256)
    adapter = Adapter(name, student.served, student.sha256, "live")
    actual = answered(engine, adapter)
    pairs = list(zip(prompts(), actual, strict=True))
    scores = {}
    for who in (adapter, None):
        scorings = [score_request("m", ids, one.token_ids, who) for ids, one in pairs]
        scores[who] = [torch.tensor(one.logprobs) for one in engine.run(scorings)]
    engine.close()
    drawn = torch.cat([torch.tensor(one.logprobs) for one in actual])
    assert float((torch.cat(scores[adapter]) - drawn).abs().mean()) < ROUNDING
    assert float((torch.cat(scores[None]) - drawn).abs().mean()) > 10 * ROUNDING


def surprise(model: Any, actual: list[Completion]) -> float:
    """Mean distance of the engine's logprobs from a plain forward pass over the same tokens."""
    gaps = []
    for prompt, completion in zip(prompts(), actual, strict=True):
        with torch.no_grad():
            plain = answer_logits(model.eval(), prompt, completion.token_ids)
        chosen = torch.tensor(completion.token_ids)[:, None]
        expected = torch.log_softmax(plain.float(), -1).gather(1, chosen)[:, 0]
        gaps.append((torch.tensor(completion.logprobs) - expected).abs())
    return float(torch.cat(gaps).mean())


def answered(
    engine: HfEngine | VllmEngine, adapter: Adapter | None, stop_ids: tuple[int, ...] = ()
) -> list[Completion]:
    """Completions in the order of the questions."""
    sampling = SamplingSettings(max_tokens=LIMIT, logprobs=0)
    requests = [
        replace(make_request("m", ids, sampling, 0, adapter), stop_ids=stop_ids)
        for ids in prompts()
    ]
    actual = {completion.key: completion for completion in engine.run(requests)}
    return [actual[request.key] for request in requests]


def test_both_engines_end_and_write_answers_alike(small: str, vllm: VllmEngine) -> None:
    """The base in both: same text of the same ids, cut at the same length, like logprobs."""
    engine = HfEngine(small, 256)
    pairs = list(zip(answered(engine, None), answered(vllm, None), strict=True))
    alike = [pair for pair in pairs if pair[0].token_ids == pair[1].token_ids]
    assert len(alike) >= 2, "bfloat16 leaves a tie now and then"
    for own, other in alike:
        assert (own.text, own.finish) == (other.text, other.finish)
        assert own.logprobs == pytest.approx(other.logprobs, abs=0.3)
    engine.close()
    assert answered(engine, None) == [own for own, _ in pairs], "closed, and loaded again"


def test_both_engines_end_at_a_requests_own_stop_token(small: str, vllm: VllmEngine) -> None:
    """A fine-tune's generation_config.json may not name its template's end of turn.

    The third token of a free answer, made a stop token, ends the same answer where it first occurs.
    """
    for engine in (HfEngine(small, 256), vllm):
        free = answered(engine, None)[0]
        stop = free.token_ids[2]
        ended = answered(engine, None, stop_ids=(stop,))[0]
        expected = free.token_ids[: free.token_ids.index(stop) + 1]
        assert stop != END and (ended.token_ids, ended.finish) == (expected, "stop")
        tokenizer = load_tokenizer(small)
        assert ended.text == tokenizer.decode(expected[:-1]), "not the stop token's own text"


@pytest.mark.parametrize("name", LIVE)
def test_virtual_tokens_stand_right_before_the_text(
    small: str, learn: TrainStudent, name: str
) -> None:
    """An answer does not depend on what it is batched with: in float32, where nothing hides it."""
    student = learn(name)
    model = load_student(small, student.method, 0, ids_of(SYSTEM))
    load_trained(model, student.checkpoint)
    model.float()
    how = GenerationSettings((END,), LIMIT, logprobs=0)
    together = {drawn.prompt: drawn for drawn in generate_answers(model, prompts(), how)}
    for at, prompt in enumerate(prompts()):
        (alone,) = generate_answers(model, [prompt], how)
        assert together[at].token_ids == alone.token_ids
        assert together[at].logprobs == pytest.approx(alone.logprobs, abs=1e-3)
        with torch.no_grad():
            plain = answer_logits(model, prompt, alone.token_ids).log_softmax(-1)
        assert plain.amax(-1).tolist() == pytest.approx(alone.logprobs, abs=1e-3)


@pytest.mark.parametrize("name", LIVE)
def test_the_programs_answer_is_ours(learn: TrainStudent, tmp_path: Path, name: str) -> None:
    """What the report tells to run, with peft's own `generate`: the tokens that we draw."""
    student = learn(name)
    config = make_run(tmp_path)
    best = StudentSettings(name=STUDENT, method=student.method)
    sampling = config.predict.sampling.model_copy(update={"max_tokens": LIMIT})
    predict = config.predict.model_copy(update={"sampling": sampling})
    config = config.model_copy(update={"students": (best,), "predict": predict})
    adapter = RunPaths.of(config).best / "adapter"
    shutil.rmtree(adapter)
    shutil.copytree(student.served, adapter)
    here = {"hardware": {"precision": precision()}}
    actual = build_serving_guide(replace(read_run(config), manifest=here))
    assert actual is not None
    names: dict[str, Any] = {}
    exec(actual.program, names)
    prompt = tuple(names["prompt"]["input_ids"][0].tolist())
    (drawn,) = generate_answers(student.model, [prompt], GenerationSettings((END,), LIMIT))
    assert tuple(names["answer"][0, len(prompt) :].tolist()) == drawn.token_ids
