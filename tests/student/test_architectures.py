"""Every architecture is computed as the model itself computes it, or refused, method by method."""

import numpy as np
import pytest
import torch

from config.peft_methods import FullMethod, Method, PrefixTuningMethod, PTuningMethod
from config.training import CrossEntropy, Distillation, Objective, OnPolicy
from data.top_logprobs import TopLogprobs
from engine.hf_generation import generate_answers
from engine.token_sampler import GenerationSettings
from student.collator import Example, TokenIds
from student.distiller import Distiller
from student.losses import (
    cross_entropy,
    divergence,
    nll_and_buckets,
    stored_buckets,
    tempered_logprobs,
)
from tests.student.architectures import (
    ARCHITECTURES,
    LORA,
    architecture_row,
    expected_row,
    student_of,
)
from tests.student.tiny_model import token_ids

PROMPT, SYSTEM = token_ids((16, 17, 18, 19, 20)), token_ids((30, 31, 32))
ANSWERS = tuple(map(token_ids, ((21, 22, 23, 24, 2), (25, 26, 2))))

each_family = pytest.mark.parametrize("family", ARCHITECTURES)
each_trained_family = pytest.mark.parametrize("family", sorted(ARCHITECTURES.keys() - {"Llama 4"}))


@each_family
def test_what_works_is_exact_and_the_rest_is_refused(family: str) -> None:
    """Two answers to one prompt, and the base behind its cached prompt, against `model(...)`."""
    assert architecture_row(family) == expected_row(family)


def own_logits(model: torch.nn.Module, prompt: TokenIds, answer: TokenIds) -> torch.Tensor:
    """[n, V] of an answer by the model's whole forward pass."""
    ids = torch.from_numpy(np.concatenate([prompt, answer])).long()[None]
    logits: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits[0, -len(answer) - 1 : -1]


OBJECTIVES: tuple[Objective, ...] = (
    CrossEntropy(),
    Distillation(ce_weight=0.25, temperature=1.5),
    Distillation(teacher="adapter_off", ce_weight=0.25),
    OnPolicy(temperature=2.0),
)


@each_trained_family
def test_every_objective_is_that_of_the_models_own_logits(family: str) -> None:
    """The summed loss of two answers = the same formula on logits of `model(...)`, row by row."""
    model = student_of(family, LORA)
    prompted = np.concatenate([SYSTEM, PROMPT])
    with torch.no_grad():
        student = torch.cat([own_logits(model, PROMPT, answer) for answer in ANSWERS])
        with model.disable_adapter():
            base = torch.cat([own_logits(model, prompted, answer) for answer in ANSWERS])
    targets = torch.from_numpy(np.concatenate(ANSWERS)).long()
    ids = base.topk(8).indices
    stored = torch.log_softmax(base, -1).gather(-1, ids)
    ends = [len(ANSWERS[0])]
    tops = tuple(
        TopLogprobs(answer_ids.astype(np.int32), logprobs)
        for answer_ids, logprobs in zip(
            np.split(ids.numpy(), ends), np.split(stored.numpy(), ends), strict=True
        )
    )
    example = Example(PROMPT, ANSWERS, tops, prompted)
    nll = cross_entropy(student, targets)
    buckets = stored_buckets(stored, student.shape[-1], 1.5)
    kept = nll_and_buckets(student, targets, ids, 1.5)[1]
    whole = divergence(base.log_softmax(-1), student.log_softmax(-1), "forward")
    warm = divergence(tempered_logprobs(base, 2.0), tempered_logprobs(student, 2.0), "reverse")
    expected = (
        nll,
        0.25 * nll + 0.75 * 1.5**2 * divergence(buckets, kept, "forward"),
        0.25 * nll + 0.75 * whole,
        2.0**2 * warm,
    )
    for objective, losses in zip(OBJECTIVES, expected, strict=True):
        distiller = Distiller(model, objective, SYSTEM, GenerationSettings((2,), 1), 4096)
        computed = sum(float(loss.detach()) for loss in distiller.losses([example]))
        assert computed == pytest.approx(float(losses.sum()), rel=1e-4), objective


@pytest.mark.parametrize("family", ["Gemma 3, with vision", "gpt-oss", "Qwen3.5", "Granite"])
def test_gradients_are_those_of_the_models_own_forward(family: str) -> None:
    """Windows, an added mask, one answer a row, scaled logits: LoRA's gradients of both answers."""
    model = student_of(family, LORA)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    distiller = Distiller(model, CrossEntropy(), SYSTEM, GenerationSettings((2,), 1), 4096)
    loss = sum(distiller.losses([Example(PROMPT, ANSWERS)]), torch.zeros(()))
    own = sum(
        (
            cross_entropy(own_logits(model, PROMPT, answer), torch.from_numpy(answer).long()).sum()
            for answer in ANSWERS
        ),
        torch.zeros(()),
    )
    computed = torch.autograd.grad(loss, weights, allow_unused=True)
    expected = torch.autograd.grad(own, weights, allow_unused=True)
    compared = [pair for pair in zip(computed, expected, strict=True) if pair[1] is not None]
    assert len(compared) > len(weights) / 2
    for ours, theirs in compared:
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@each_family
def test_a_batch_generates_what_each_prompt_generates_alone(family: str) -> None:
    """Prompts of 3 and 9 tokens, the first padded on the left, with virtual tokens of either kind:
    the greedy answers are those of the whole model's own forward pass, token after token."""
    methods: tuple[Method, ...] = (
        FullMethod(),
        PTuningMethod(virtual_tokens=3),
        PrefixTuningMethod(virtual_tokens=3),
    )
    random = np.random.default_rng(1)
    prompts = [tuple(random.integers(16, 60, count).tolist()) for count in (3, 9)]
    for method in methods:
        if method.kind in expected_row(family).refused:
            continue
        model = student_of(family, method)
        answers = generate_answers(model, prompts, GenerationSettings((2,), 3))
        batched = {answer.prompt: answer.token_ids for answer in answers}
        alone = {index: _greedy(model, prompt, 3) for index, prompt in enumerate(prompts)}
        assert batched == alone, method.kind


@torch.no_grad()
def _greedy(model: torch.nn.Module, prompt: tuple[int, ...], count: int) -> tuple[int, ...]:
    ids = list(prompt)
    while len(ids) < len(prompt) + count and ids[-1] != 2:
        row = torch.tensor([ids])
        logits = model(input_ids=row, attention_mask=torch.ones_like(row)).logits
        ids.append(int(logits[0, -1].argmax()))
    return tuple(ids[len(prompt) :])
