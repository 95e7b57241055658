"""vLLM agrees with transformers on the embedded model, with and without adapter."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from config.generation import SamplingSettings
from config.peft_methods import LoraMethod
from engine.base import Adapter, Request, make_request, score_request
from engine.hf_generation import greedy_answers
from engine.merge_adapter import merged_weights
from engine.models import load_tokenizer, resolve_model
from engine.precision import has_gpu
from engine.vllm_engine import VllmEngine
from student.model import load_student

Answers = dict[str, tuple[tuple[int, ...], tuple[float, ...]]]  # request key → ids, logprobs

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = ("What is the capital of France?", "Name a colour.", "What is two plus two?", "Say hi.")
GREEDY = SamplingSettings(max_tokens=12, logprobs=0)
# Mean difference in nats of a token's logprob between two orders of summation over 30 layers with
# 8-bit mantissas: measured 0.02–0.06; single tokens differ by up to 0.3, so no maximum is asked.
BFLOAT16 = 0.08


@pytest.fixture(scope="module")
def engine() -> Iterator[VllmEngine]:
    """One engine for all tests: starting it takes 15 s."""
    vllm_engine = VllmEngine("embedded", 512, max_lora_rank=8)
    yield vllm_engine
    vllm_engine.close()


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    """A random adapter that changes the model's answers."""
    folder = tmp_path_factory.mktemp("adapter")
    student = load_student(resolve_model("embedded"), LoraMethod(rank=8, alpha=16), seed=0)
    torch.manual_seed(1)
    for name, weights in student.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.12)
    student.save_pretrained(folder)
    return Adapter("random", folder, "sha")


def prompts() -> list[tuple[int, ...]]:
    """The questions as chats."""
    tokenizer = load_tokenizer(resolve_model("embedded"))
    turns = [[{"role": "user", "content": question}] for question in QUESTIONS]
    chats = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return [tuple(chat) for chat in chats]


def answered(engine: VllmEngine, adapter: Adapter | None = None) -> Answers:
    """Ids and logprobs by request key, which is the same with and without adapter."""
    requests = [make_request("m", ids, GREEDY, 0) for ids in prompts()]
    requests = [
        request.__class__(request.key, request.prompt_ids, GREEDY, 0, adapter)
        for request in requests
    ]
    completions = {done.key: (done.token_ids, done.logprobs or ()) for done in engine.run(requests)}
    return {request.key: completions[request.key] for request in requests}


class PlainModel:
    """transformers' model, which reads each text once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._logprobs: dict[tuple[tuple[int, ...], ...], list[float]] = {}

    def logprobs(self, prompt: tuple[int, ...], answer: tuple[int, ...]) -> list[float]:
        """Of each answer token, in one forward pass."""
        if (prompt, answer) not in self._logprobs:
            with torch.no_grad():
                logits = self._model(torch.tensor([[*prompt, *answer]])).logits
            whole = torch.log_softmax(logits[0, len(prompt) - 1 : -1].float(), -1)  # [T, V]
            chosen = whole.gather(1, torch.tensor(answer)[:, None])
            self._logprobs[prompt, answer] = [float(value) for value in chosen[:, 0]]
        return self._logprobs[prompt, answer]


def loaded() -> Any:
    """The embedded model in bfloat16, by transformers."""
    return AutoModelForCausalLM.from_pretrained(resolve_model("embedded"), dtype=torch.bfloat16)


@pytest.fixture(scope="module")
def plain() -> PlainModel:
    """The base."""
    return PlainModel(loaded())


@pytest.fixture(scope="module")
def merged(adapter: Adapter) -> PlainModel:
    """The base with the adapter folded in by peft."""
    return PlainModel(PeftModel.from_pretrained(loaded(), str(adapter.path)).merge_and_unload())


def difference(model: PlainModel, answers: Answers) -> float:
    """Mean distance of the engine's logprobs from a plain forward pass over the same tokens."""
    pairs = zip(prompts(), answers.values(), strict=True)
    distances = [
        abs(own - other)
        for prompt, (ids, logprobs) in pairs
        for own, other in zip(logprobs, model.logprobs(prompt, ids), strict=True)
    ]
    return sum(distances) / len(distances)


@pytest.mark.slow
@pytest.mark.skipif(has_gpu(), reason="adapters are folded in on CPU only")
def test_answers_and_logprobs_are_transformers_own(
    engine: VllmEngine, adapter: Adapter, plain: PlainModel, merged: PlainModel
) -> None:
    """Base and merged adapter: every answer token has the logprob of a plain forward pass.

    And the base is back, to the bit, after an adapter was folded in and out.
    """
    before = answered(engine)
    folded = answered(engine, adapter)
    after = answered(engine)
    assert after == before
    assert all(folded[key] != before[key] for key in before), "the adapter changes something"
    assert difference(plain, before) < BFLOAT16
    assert difference(merged, folded) < BFLOAT16
    assert difference(plain, folded) > 3 * BFLOAT16, "and not those of the base"


def scored(engine: VllmEngine, answer: tuple[int, ...], adapter: Adapter | None = None) -> Answers:
    """An existing answer's ids and logprobs after each prompt."""
    requests = [score_request("m", ids, answer, adapter) for ids in prompts()]
    completions = {done.key: (done.token_ids, done.logprobs or ()) for done in engine.run(requests)}
    return {request.key: completions[request.key] for request in requests}


@pytest.mark.slow
@pytest.mark.skipif(has_gpu(), reason="adapters are folded in on CPU only")
def test_the_likelihood_of_a_given_answer_is_transformers_own(
    engine: VllmEngine, adapter: Adapter, plain: PlainModel, merged: PlainModel
) -> None:
    """Base and merged adapter; also if vLLM's cache contains the answer.

    Of cached tokens vLLM has no logprobs and leaves noise in their place. The answer is longer than
    two of its blocks (128 tokens on CPU), so the second time its beginning is in the cache.
    """
    tokenizer = load_tokenizer(resolve_model("embedded"))
    text = (ROOT / "prompts/lakeside/examples.yaml").read_text("utf-8")
    answer = tuple(tokenizer.encode(text, add_special_tokens=False)[:300])
    for _ in range(2):
        answers = scored(engine, answer)
        assert all(ids == answer and len(own) == len(answer) for ids, own in answers.values())
        assert difference(plain, answers) < BFLOAT16
    folded = scored(engine, answer, adapter)
    assert difference(merged, folded) < BFLOAT16
    assert difference(merged, answers) > 3 * BFLOAT16, "and not those of the base"


@pytest.mark.slow
def test_folding_is_adding_the_adapter(adapter: Adapter) -> None:
    """W + (α/r)·B·A in float32, rounded once to bfloat16, and nothing else changes."""
    from safetensors.torch import load_file

    resolved = resolve_model("embedded")
    merged = dict(merged_weights(resolved, adapter.path))
    base = load_file(Path(resolved) / "model.safetensors")
    parts = load_file(adapter.path / "adapter_model.safetensors")
    name = "model.layers.3.mlp.down_proj"
    a, b = (parts[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    expected = base[f"{name}.weight"].float() + 2.0 * (b @ a)
    assert torch.allclose(merged[f"{name}.weight"].float(), expected, rtol=2**-7, atol=1e-3)
    norm = "model.layers.3.input_layernorm.weight"
    assert torch.equal(merged[norm], base[norm])
    assert merged.keys() == base.keys()


@pytest.mark.slow
def test_the_look_at_val_says_what_the_engine_says(engine: VllmEngine) -> None:
    """Greedy answers in training and in the engine agree where bfloat16 leaves no tie."""
    resolved = resolve_model("embedded")
    student = load_student(resolved, LoraMethod(rank=8, alpha=16), seed=0)  # B = 0: the base
    end = load_tokenizer(resolved).convert_tokens_to_ids("<|im_end|>")
    by_transformers = greedy_answers(student.eval(), prompts(), end, GREEDY.max_tokens)
    by_engine = [ids for ids, _ in answered(engine).values()]
    equal = [
        tuple(own) == tuple(i for i in ids if i != end)
        for own, ids in zip(by_transformers, by_engine, strict=True)
    ]
    assert sum(equal) >= len(equal) - 1


@pytest.mark.slow
def test_samples_depend_on_their_seeds_or_on_their_batch(engine: VllmEngine) -> None:
    """With seeds a sample is the same alone as among others, and again; without, it is drawn anew.

    Four answers of 12 tokens at temperature 1.5 are the same twice by chance about never.
    """
    sampling = SamplingSettings(temperature=1.5, max_tokens=12)
    requests = [make_request("m", ids, sampling, seed) for seed, ids in enumerate(prompts())]

    def drawn(*asked: Request) -> dict[str, tuple[int, ...]]:
        return {done.key: done.token_ids for done in engine.run(asked)}

    together = drawn(*requests)
    assert drawn(*requests) == together and drawn(requests[0]).items() <= together.items()
    engine.seeded = False
    try:
        first, second = drawn(*requests), drawn(*requests)
    finally:
        engine.seeded = True
    assert first.keys() == second.keys() == together.keys()
    assert first != second != together
    assert all(0 < len(ids) <= 12 for ids in first.values())
