"""vLLM's answers of a student in training are the student's own."""

from collections.abc import Iterator, Sequence

import pytest
import torch

from config.peft_methods import LoraMethod
from engine.hf_generation import generate_answers
from engine.models import TorchModel, resolve_model
from engine.token_sampler import GeneratedAnswer, GenerationSettings
from engine.vllm_answers import VllmAnswers
from student.model import load_student, trainable
from tests.engine.test_vllm_engine import prompts

GREEDY = GenerationSettings(stop_ids=(2,), max_tokens=6)


@pytest.fixture(scope="module")
def answers() -> Iterator[VllmAnswers]:
    """vLLM in float32; starting it takes 15 s."""
    drawn = VllmAnswers(resolve_model("embedded"), 256, rank=8, dtype="float32")
    yield drawn
    drawn.close()


@pytest.fixture(scope="module")
def student() -> TorchModel:
    """A student whose adapter changes nothing yet."""
    method = LoraMethod(rank=8, alpha=16)
    return load_student(resolve_model("embedded"), method, seed=0, dtype="float32")


def by_prompt(answers: Iterator[GeneratedAnswer]) -> list[tuple[int, ...]]:
    return [answer.token_ids for answer in sorted(answers)]


def change(student: TorchModel, seed: int) -> None:
    """Moves the adapter, as a large step would."""
    torch.manual_seed(seed)
    for name, weight in trainable(student).items():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.12)


@pytest.mark.slow
def test_greedy_answers_are_the_students_at_every_step(
    answers: VllmAnswers, student: TorchModel, capsys: pytest.CaptureFixture[str]
) -> None:
    """In float32 token by token: before a step, and after each of two that change the adapter."""
    texts = []
    for step in range(3):
        if step:
            change(student, step)
        state = torch.get_rng_state()
        drawn = by_prompt(answers(student, prompts(), GREEDY))
        assert drawn == by_prompt(generate_answers(student, prompts(), GREEDY))
        assert torch.equal(torch.get_rng_state(), state)  # vLLM's start sets a seed
        texts.append(drawn)
    assert texts[0] != texts[1] != texts[2]
    assert "transformers" not in capsys.readouterr().out
    assert student.training


@pytest.mark.slow
def test_sampled_answers_differ_and_end_at_the_limit(
    answers: VllmAnswers, student: TorchModel
) -> None:
    """At temperature 1 two draws differ; each answer has at most 6 tokens or ends with a stop."""
    sampling = GenerationSettings(stop_ids=(2,), max_tokens=6, temperature=1.0)
    first, second = (by_prompt(answers(student, prompts(), sampling)) for _ in range(2))
    assert first != second
    assert all(len(ids) == 6 or ids[-1] == 2 for ids in first + second)


@pytest.mark.slow
def test_another_models_answers_are_not_taken(
    answers: VllmAnswers, student: TorchModel, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where vLLM's probabilities are not the student's, one line says so, vLLM ends, and
    transformers answers: here the student's base is not the one that vLLM loaded."""
    weight = student.get_base_model().model.layers[3].mlp.down_proj.base_layer.weight
    with torch.no_grad():
        weight.mul_(-3)
    drawn = by_prompt(answers(student, prompts(), GREEDY))
    assert drawn == by_prompt(generate_answers(student, prompts(), GREEDY))
    (line,) = capsys.readouterr().out.splitlines()
    assert "nats from the student's" in line and line.endswith("transformers does")
    assert not torch.distributed.is_initialized()


def test_a_vllm_that_does_not_start_is_no_end(
    capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    """The training goes on with transformers."""
    student = load_student(resolve_model("embedded"), LoraMethod(rank=8), seed=0, dtype="float32")
    broken = VllmAnswers(f"{tmp_path}/none", 256, rank=8, dtype="float32")
    short: Sequence[tuple[int, ...]] = prompts()[:1]
    drawn = by_prompt(broken(student, short, GREEDY))
    assert drawn == by_prompt(generate_answers(student, short, GREEDY))
    assert "transformers does" in capsys.readouterr().out
    assert by_prompt(broken(student, short, GREEDY)) == drawn and not capsys.readouterr().out
